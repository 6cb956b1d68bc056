// Runs the script of a live collapse page without a browser: node explore_stub.js PAGE STEPS.
// STEPS is JSON: {"values": {...}, "window": [low, high], "shown": [...], "bars", "residuals"}.
// Prints JSON: the quality, the command and the picture.
"use strict";
const fs = require("fs");
const html = fs.readFileSync(process.argv[2], "utf8");
const steps = JSON.parse(process.argv[3]);
const held = html.match(/<script type="application\/json" id="held">([\s\S]*?)<\/script>/)[1];
const script = html.match(/<script>([\s\S]*?)<\/script>\s*<\/body>/)[1];
const pen = new Proxy({ measureText: (text) => ({ width: 7 * text.length }) }, {
  get: (target, name) => (name in target ? target[name] : () => undefined),
  set: () => true,
});
const elements = {};
function element(id) {
  const known = html.includes(`id="${id}"`);
  if (!known) throw new Error(`the page has no #${id}`);
  return {
    id, value: "", textContent: id === "held" ? held : "", checked: true, clientWidth: 700, clientHeight: 520,
    addEventListener(name, call) { this[`on${name}`] = call; },
    setAttribute() {}, getContext: () => pen,
  };
}
const document = {
  getElementById: (id) => (elements[id] ??= element(id)),
  documentElement: { dataset: {} },
  createElement: () => ({ click() {} }),
};
const window = { devicePixelRatio: 2, addEventListener() {} };
const run = new Function("document", "window", "requestAnimationFrame", "navigator", "getSelection",
  `${script}
  return { state, update, picture, command, points };`);
const page = run(document, window, (call) => call(), {}, () => ({}));
Object.assign(page.state.values, steps.values || {});
for (const name of ["window", "shown", "bars", "residuals"]) if (name in steps) page.state[name] = steps[name];
page.update();
elements["window-from"].value = page.state.window[0];
elements["window-from"].oninput();
elements.save.onclick();
elements["save-points"].onclick();
console.log(JSON.stringify({
  quality: Number(document.documentElement.dataset.quality),
  values: page.state.values,
  command: page.command(),
  picture: page.picture(),
  points: page.points(),
}));
