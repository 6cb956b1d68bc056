"use strict";
// The live collapse: rescale, judge and draw the points whenever a parameter moves.
const held = JSON.parse(document.getElementById("held").textContent);
const NAMES = Object.keys(held.start);
const state = {
  values: { ...held.start },
  shown: held.sizes.map(() => true),
  window: [...held.range],
  bars: true,
  residuals: true,
};
const canvas = document.getElementById("plot");
const byId = (id) => document.getElementById(id);

// --- the physics: x = N^(1/nu) (c - c_c - a N^(-phi)), y N^(-zeta/nu) / (1 + b (N/N_min)^(-omega))

function rescaled(values) {
  const smallest = held.sizes[0].size;
  return held.sizes.map((one) => {
    const stretch = Math.pow(one.size, values.inverse_nu);
    const correction = 1 + values.amplitude * Math.pow(one.size / smallest, -values.omega);
    const scale = Math.pow(one.size, values.ratio) * correction;
    const critical = values.c_c + (values.shift ? values.shift * Math.pow(one.size, -values.phi) : 0);
    const inside = one.control.map((c) => c >= state.window[0] && c <= state.window[1]);
    const kept = (array) => array.filter((_, i) => inside[i]);
    return {
      x: kept(one.control).map((c) => stretch * (c - critical)),
      y: kept(one.value).map((y) => y / scale),
      error: kept(one.error).map((e) => e / Math.abs(scale)),
    };
  });
}

// S of Houdayer and Hartmann: each point against the weighted line through the two points of
// every other size on either side of its x. Controls ascend, so one walk finds all neighbours.
function quality(curves) {
  let total = 0;
  let used = 0;
  const residuals = curves.map((one) => one.x.map(() => NaN));
  let row = -1;
  for (const own of curves) {
    const place = curves.map(() => 0);
    row++;
    for (let i = 0; i < own.x.length; i++) {
      let k = 0, kx = 0, ky = 0, kxx = 0, kxy = 0;
      curves.forEach((other, number) => {
        if (other === own) return;
        let j = place[number];
        while (j < other.x.length && other.x[j] < own.x[i]) j++;
        place[number] = j;
        if (j === 0 || j === other.x.length) return;
        for (const near of [j - 1, j]) {
          const w = 1 / (other.error[near] * other.error[near]);
          const dx = other.x[near] - own.x[i];
          k += w;
          kx += w * dx;
          ky += w * other.y[near];
          kxx += w * dx * dx;
          kxy += w * dx * other.y[near];
        }
      });
      const determinant = k * kxx - kx * kx;
      if (determinant > 1e-12 * k * kxx) {
        const line = (kxx * ky - kx * kxy) / determinant;
        const spread = own.error[i] * own.error[i] + kxx / determinant;
        residuals[row][i] = (own.y[i] - line) / Math.sqrt(spread);
        total += ((own.y[i] - line) * (own.y[i] - line)) / spread;
        used++;
      }
    }
  }
  return { S: used ? total / used : Infinity, used, residuals };
}

// --- drawing ---------------------------------------------------------------------------------

const MARKS = {
  o: (p, x, y, r) => p.arc(x, y, r, 0, 2 * Math.PI),
  s: (p, x, y, r) => p.rect(x - 0.85 * r, y - 0.85 * r, 1.7 * r, 1.7 * r),
  "^": (p, x, y, r) => polygon(p, x, y, 1.25 * r, 3, -Math.PI / 2),
  D: (p, x, y, r) => polygon(p, x, y, 1.15 * r, 4, 0),
  v: (p, x, y, r) => polygon(p, x, y, 1.25 * r, 3, Math.PI / 2),
};

function polygon(pen, x, y, r, corners, turn) {
  for (let k = 0; k < corners; k++) {
    const angle = turn + (2 * Math.PI * k) / corners;
    pen[k ? "lineTo" : "moveTo"](x + r * Math.cos(angle), y + r * Math.sin(angle));
  }
  pen.closePath();
}

function ticks(low, high, most) {
  const raw = (high - low) / most;
  const power = Math.pow(10, Math.floor(Math.log10(raw)));
  const step = power * [1, 2, 5, 10].find((one) => one * power >= raw);
  const found = [];
  for (let k = Math.ceil(low / step); k * step <= high * (1 + 1e-12) + 1e-300; k++) found.push(k * step);
  return { found, digits: Math.max(0, -Math.floor(Math.log10(step) + 1e-9)) };
}

function extent(arrays) {
  let low = Infinity, high = -Infinity;
  for (const array of arrays) for (const one of array) {
    if (one < low) low = one;
    if (one > high) high = one;
  }
  if (!(high > low)) { low -= 0.5; high += 0.5; }
  const room = 0.05 * (high - low);
  return [low - room, high + room];
}

function label(value, digits) {
  return Math.abs(value) >= 1e5 ? value.toExponential(1) : value.toFixed(Math.min(digits, 8));
}

// Math is a list of [text, level]: level 1 stands higher, -1 lower; single letters are italic.
const letter = (text) => /^[A-Za-z\u0370-\u03ff]$/.test(text);

function fontOf([text, level]) {
  const serif = "Georgia, 'Times New Roman', serif";
  return `${letter(text) ? "italic " : ""}${level ? 11 : 15}px ${serif}`;
}

function writeMath(pen, math, x, y) {
  const widths = math.map((part) => { pen.font = fontOf(part); return pen.measureText(part[0]).width; });
  let at = x - widths.reduce((sum, one) => sum + one, 0) / 2;
  pen.textAlign = "left";
  pen.textBaseline = "middle";
  math.forEach((part, k) => {
    pen.font = fontOf(part);
    pen.fillText(part[0], at, y - 5 * part[1]);
    at += widths[k];
  });
}

const INK = "#1b1f24", FAINT = "#d3d8de"; // on white in both colour schemes, as printed

// One panel: axes, ticks, and what `inside` draws with the two scales.
function panel(pen, box, [xLow, xHigh], [yLow, yHigh], below, inside) {
  const toX = (x) => box.left + ((x - xLow) / (xHigh - xLow)) * box.width;
  const toY = (y) => box.top + box.height - ((y - yLow) / (yHigh - yLow)) * box.height;
  pen.font = "13px system-ui, sans-serif";
  pen.fillStyle = INK;
  pen.lineWidth = 1;
  pen.strokeStyle = FAINT;
  const across = ticks(xLow, xHigh, Math.max(3, box.width / 110));
  pen.textAlign = "center";
  pen.textBaseline = "top";
  for (const x of across.found) {
    line(pen, toX(x), box.top, toX(x), box.top + box.height);
    if (below) pen.fillText(label(x, across.digits), toX(x), box.top + box.height + 6);
  }
  const up = ticks(yLow, yHigh, Math.max(2, box.height / 70));
  pen.textAlign = "right";
  pen.textBaseline = "middle";
  for (const y of up.found) {
    line(pen, box.left, toY(y), box.left + box.width, toY(y));
    pen.fillText(label(y, up.digits), box.left - 6, toY(y));
  }
  pen.save();
  pen.beginPath();
  pen.rect(box.left, box.top, box.width, box.height);
  pen.clip();
  inside(toX, toY);
  pen.restore();
  pen.strokeStyle = INK;
  pen.lineWidth = 1;
  pen.strokeRect(box.left, box.top, box.width, box.height);
}

function sideways(pen, x, y, write) {
  pen.save();
  pen.translate(x, y);
  pen.rotate(-Math.PI / 2);
  write();
  pen.restore();
}

function paint(pen, width, height, curves, numbers, residuals) {
  const left = 66, right = 14, top = 12, bottom = 48, gap = 10;
  const room = height - top - bottom;
  const lower = state.residuals ? Math.round(0.24 * room) : 0;
  const main = { left, top, width: width - left - right, height: room - (lower ? lower + gap : 0) };
  const box = { ...main, top: main.top + main.height + gap, height: lower };
  const xs = extent(curves.map((one) => one.x));
  const points = curves.reduce((sum, one) => sum + one.x.length, 0);
  const radius = points > 1500 ? 2 : points > 400 ? 2.6 : 3.4;
  const marks = (rows, toX, toY, size) => curves.forEach((one, row) => {
    const look = held.sizes[numbers[row]];
    // Among so many points shapes are not told apart, and squares are quick.
    const mark = points > 1500 ? MARKS.s : MARKS[look.marker];
    pen.fillStyle = look.colour;
    pen.beginPath();
    for (let i = 0; i < one.x.length; i++) {
      const x = toX(one.x[i]), y = toY(rows[row][i]);
      if (!Number.isFinite(y)) continue;
      pen.moveTo(x + size, y);
      mark(pen, x, y, size);
    }
    pen.fill();
  });
  panel(pen, main, xs, extent(curves.map((one) => one.y)), !lower, (toX, toY) => {
    if (state.bars) curves.forEach((one, row) => {
      pen.strokeStyle = held.sizes[numbers[row]].colour;
      pen.lineWidth = 0.8;
      pen.beginPath();
      for (let i = 0; i < one.x.length; i++) {
        const x = toX(one.x[i]);
        pen.moveTo(x, toY(one.y[i] - one.error[i]));
        pen.lineTo(x, toY(one.y[i] + one.error[i]));
      }
      pen.stroke();
    });
    marks(curves.map((one) => one.y), toX, toY, radius);
  });
  if (lower) {
    let most = 3;
    for (const one of residuals) for (const r of one) if (Math.abs(r) > most) most = Math.abs(r);
    panel(pen, box, xs, [-1.1 * most, 1.1 * most], true, (toX, toY) => {
      pen.strokeStyle = "#7a828b";
      pen.lineWidth = 1;
      for (const r of [-2, 0, 2]) line(pen, toX(xs[0]), toY(r), toX(xs[1]), toY(r));
      marks(residuals, toX, toY, 0.75 * radius);
    });
    pen.fillStyle = INK;
    sideways(pen, 16, box.top + box.height / 2, () => writeMath(pen, [["(", 0], ["y", 0], [" \u2212 line)/", 0], ["\u03c3", 0]], 0, 0));
  }
  pen.fillStyle = INK;
  writeMath(pen, held.x_math, left + main.width / 2, height - 12);
  sideways(pen, 16, main.top + main.height / 2, () => writeMath(pen, held.y_math, 0, 0));
}

function draw(curves, numbers, residuals) {
  const ratio = window.devicePixelRatio || 1;
  const width = canvas.clientWidth, height = canvas.clientHeight;
  if (canvas.width !== Math.round(width * ratio) || canvas.height !== Math.round(height * ratio)) {
    canvas.width = Math.round(width * ratio);
    canvas.height = Math.round(height * ratio);
  }
  const pen = canvas.getContext("2d");
  pen.setTransform(ratio, 0, 0, ratio, 0, 0);
  pen.clearRect(0, 0, width, height);
  paint(pen, width, height, curves, numbers, residuals);
}

// --- the picture as SVG: a pen with the same strokes as that of the canvas ---------------------

function svgPen(width, height, measure) {
  const parts = [];
  const state_ = { path: "", clips: 0, depth: [] };
  const short = (x) => Number(x.toFixed(2));
  const safe = (text) => text.replace(/&/g, "&amp;").replace(/</g, "&lt;").replace(/>/g, "&gt;").replace(/"/g, "&quot;");
  const pen = {
    font: "", fillStyle: INK, strokeStyle: INK, lineWidth: 1, textAlign: "left", textBaseline: "middle",
    beginPath() { state_.path = ""; },
    moveTo(x, y) { state_.path += `M${short(x)} ${short(y)}`; },
    lineTo(x, y) { state_.path += `L${short(x)} ${short(y)}`; },
    closePath() { state_.path += "Z"; },
    rect(x, y, w, h) { state_.path += `M${short(x)} ${short(y)}h${short(w)}v${short(h)}h${short(-w)}Z`; },
    arc(x, y, r) {
      state_.path += `M${short(x - r)} ${short(y)}a${short(r)} ${short(r)} 0 1 0 ${short(2 * r)} 0`
        + `a${short(r)} ${short(r)} 0 1 0 ${short(-2 * r)} 0`;
    },
    stroke() { parts.push(`<path d="${state_.path}" fill="none" stroke="${pen.strokeStyle}" stroke-width="${pen.lineWidth}"/>`); },
    fill() { parts.push(`<path d="${state_.path}" fill="${pen.fillStyle}"/>`); },
    strokeRect(x, y, w, h) { pen.beginPath(); pen.rect(x, y, w, h); pen.stroke(); },
    measureText(text) { return measure(pen.font, text); },
    fillText(text, x, y) {
      const anchor = { left: "start", center: "middle", right: "end" }[pen.textAlign];
      const drop = pen.textBaseline === "top" ? "0.8em" : "0.35em";
      parts.push(`<text x="${short(x)}" y="${short(y)}" dy="${drop}" text-anchor="${anchor}" style="font:${safe(pen.font)}" fill="${pen.fillStyle}">${safe(text)}</text>`);
    },
    save() { state_.depth.push(0); },
    open(tag) { parts.push(tag); state_.depth[state_.depth.length - 1]++; },
    translate(x, y) { pen.open(`<g transform="translate(${short(x)} ${short(y)})">`); },
    rotate(angle) { pen.open(`<g transform="rotate(${short((angle * 180) / Math.PI)})">`); },
    clip() {
      state_.clips++;
      parts.push(`<clipPath id="clip${state_.clips}"><path d="${state_.path}"/></clipPath>`);
      pen.open(`<g clip-path="url(#clip${state_.clips})">`);
    },
    restore() { parts.push("</g>".repeat(state_.depth.pop())); },
  };
  const text = () => `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}" viewBox="0 0 ${width} ${height}">`
    + `<rect width="${width}" height="${height}" fill="#fff"/>${parts.join("")}</svg>\n`;
  return { pen, text };
}

function picture() {
  const { curves, numbers, found } = shownNow();
  const onScreen = canvas.getContext("2d");
  const measure = (font, text) => { onScreen.font = font; return onScreen.measureText(text); };
  const svg = svgPen(canvas.clientWidth, canvas.clientHeight, measure);
  paint(svg.pen, canvas.clientWidth, canvas.clientHeight, curves, numbers, found.residuals);
  return svg.text();
}

// The points of the chosen sizes and window, as given, in a table that `physbatch collapse` reads.
function points() {
  const cell = (text) => /[",\n]/.test(text) ? `"${text.replace(/"/g, '""')}"` : text;
  const rows = [held.columns.map(cell).join(",")];
  held.sizes.forEach((one, row) => {
    if (!state.shown[row]) return;
    one.control.forEach((c, i) => {
      if (c >= state.window[0] && c <= state.window[1]) rows.push([one.size, c, one.value[i], one.error[i]].join(","));
    });
  });
  return `${rows.join("\n")}\n`;
}

function line(pen, x0, y0, x1, y1) {
  pen.beginPath();
  pen.moveTo(x0, y0);
  pen.lineTo(x1, y1);
  pen.stroke();
}

// --- the page --------------------------------------------------------------------------------

// The range of sizes and controls, as options; sizes left out within the range cannot be said.
function ranges() {
  const words = [];
  const shown = held.sizes.filter((_, row) => state.shown[row]).map((one) => one.size);
  if (shown.length && shown[0] > held.sizes[0].size) words.push(`--size-min ${shown[0]}`);
  const last = held.sizes[held.sizes.length - 1].size;
  if (shown.length && shown[shown.length - 1] < last) words.push(`--size-max ${shown[shown.length - 1]}`);
  const [low, high] = state.window;
  if (low > held.range[0]) words.push(`--control-min ${low}`);
  else if (held.limits[0] !== null) words.push(`--control-min ${held.limits[0]}`);
  if (high < held.range[1]) words.push(`--control-max ${high}`);
  else if (held.limits[1] !== null) words.push(`--control-max ${held.limits[1]}`);
  return words;
}

function command() {
  const v = state.values;
  const digits = (x) => Number(x.toPrecision(7)).toString();
  const starts = { c_c: v.c_c, nu: 1 / v.inverse_nu, zeta: v.ratio / v.inverse_nu };
  if (v.amplitude !== 0 || held.corrections) starts.omega = v.omega;
  if ("shift" in v) Object.assign(starts, { shift: v.shift, phi: v.phi });
  const words = [held.command, ...ranges()];
  if (v.amplitude !== 0 && !held.corrections) words.push("--corrections");
  for (const [name, value] of Object.entries(starts)) {
    if (!held.fixed.includes(name)) words.push(`--start ${name}=${digits(value)}`);
  }
  return words.join(" ");
}

function shownNow() {
  const all = rescaled(state.values);
  const numbers = all.map((_, row) => row).filter((row) => state.shown[row]);
  const curves = numbers.map((row) => all[row]);
  return { curves, numbers, found: quality(curves) };
}

function update() {
  const { curves, numbers, found } = shownNow();
  const S = found.used ? found.S.toPrecision(5) : "not defined: no point lies between those of another size";
  byId("quality").textContent = S;
  byId("counted").textContent = found.used ? `${found.used} points count` : "";
  byId("command").textContent = command();
  canvas.setAttribute("aria-label",
    `${held.y_label} against ${held.x_label} for ${numbers.length} sizes; quality S ${S}`);
  draw(curves, numbers, found.residuals);
  document.documentElement.dataset.quality = String(found.S);
}

let pending = false;
function later() {
  if (pending) return;
  pending = true;
  requestAnimationFrame(() => { pending = false; update(); });
}

function show(name) {
  const value = state.values[name];
  byId(`${name}-slider`).value = value;
  byId(`${name}-number`).value = Number(value.toPrecision(6));
}

function set(values) {
  Object.assign(state.values, values);
  NAMES.forEach(show);
  later();
}

for (const name of NAMES) {
  byId(`${name}-slider`).addEventListener("input", (event) => {
    state.values[name] = Number(event.target.value);
    byId(`${name}-number`).value = Number(state.values[name].toPrecision(6));
    later();
  });
  byId(`${name}-number`).addEventListener("change", (event) => {
    const value = Number(event.target.value);
    const allowed = Number.isFinite(value) && (name !== "inverse_nu" || value > 0);
    if (allowed && event.target.value !== "") set({ [name]: value });
    else show(name);
  });
}
held.sizes.forEach((_, row) => {
  byId(`size-${row}`).addEventListener("change", (event) => {
    state.shown[row] = event.target.checked;
    later();
  });
});
["from", "to"].forEach((end, which) => {
  const slider = byId(`window-${end}`);
  slider.value = state.window[which];
  slider.addEventListener("input", () => {
    const other = state.window[1 - which];
    const at = Number(slider.value);
    state.window[which] = which ? Math.max(at, other) : Math.min(at, other);
    byId(`window-${end}-value`).textContent = Number(state.window[which].toPrecision(6));
    later();
  });
  byId(`window-${end}-value`).textContent = Number(state.window[which].toPrecision(6));
});
for (const name of ["bars", "residuals"]) {
  byId(`show-${name}`).addEventListener("change", (event) => {
    state[name] = event.target.checked;
    later();
  });
}
function save(name, kind, text) {
  const link = document.createElement("a");
  link.href = `data:${kind};charset=utf-8,${encodeURIComponent(text)}`;
  link.download = name;
  link.click();
}
byId("save").addEventListener("click", () => save("collapse.svg", "image/svg+xml", picture()));
byId("save-points").addEventListener("click", () => save("points.csv", "text/csv", points()));
byId("fitted").addEventListener("click", () => set(held.fitted));
byId("unscaled").addEventListener("click", () => set(held.unscaled));
byId("copy").addEventListener("click", async () => {
  const text = byId("command").textContent;
  try {
    await navigator.clipboard.writeText(text);
    byId("copied").textContent = "copied";
  } catch {
    const range = document.createRange();
    range.selectNodeContents(byId("command"));
    getSelection().removeAllRanges();
    getSelection().addRange(range);
    byId("copied").textContent = document.execCommand("copy") ? "copied" : "selected: copy it by hand";
  }
});
window.addEventListener("resize", later);
set({});
