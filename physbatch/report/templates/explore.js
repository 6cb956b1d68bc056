"use strict";
// The live collapse: rescale, judge and draw the points whenever a parameter moves.
const held = JSON.parse(document.getElementById("held").textContent);
const NAMES = ["c_c", "inverse_nu", "ratio", "omega", "amplitude"];
const state = { values: { ...held.start }, shown: held.sizes.map(() => true) };
const canvas = document.getElementById("plot");
const byId = (id) => document.getElementById(id);

// --- the physics: x = N^(1/nu) (c - c_c), y N^(-zeta/nu) / (1 + b (N/N_min)^(-omega)) -------

function rescaled(values) {
  const smallest = held.sizes[0].size;
  return held.sizes.map((one) => {
    const stretch = Math.pow(one.size, values.inverse_nu);
    const correction = 1 + values.amplitude * Math.pow(one.size / smallest, -values.omega);
    const scale = Math.pow(one.size, values.ratio) * correction;
    return {
      x: one.control.map((c) => stretch * (c - values.c_c)),
      y: one.value.map((y) => y / scale),
      error: one.error.map((e) => e / Math.abs(scale)),
    };
  });
}

// S of Houdayer and Hartmann: each point against the weighted line through the two points of
// every other size on either side of its x. Controls ascend, so one walk finds all neighbours.
function quality(curves) {
  let total = 0;
  let used = 0;
  for (const own of curves) {
    const place = curves.map(() => 0);
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
        total += ((own.y[i] - line) * (own.y[i] - line)) / spread;
        used++;
      }
    }
  }
  return { S: used ? total / used : Infinity, used };
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

function draw(curves, numbers) {
  const ink = "#1b1f24", faint = "#d3d8de"; // on white in both colour schemes, as printed
  const ratio = window.devicePixelRatio || 1;
  const width = canvas.clientWidth, height = canvas.clientHeight;
  if (canvas.width !== Math.round(width * ratio) || canvas.height !== Math.round(height * ratio)) {
    canvas.width = Math.round(width * ratio);
    canvas.height = Math.round(height * ratio);
  }
  const pen = canvas.getContext("2d");
  pen.setTransform(ratio, 0, 0, ratio, 0, 0);
  pen.clearRect(0, 0, width, height);
  const [xLow, xHigh] = extent(curves.map((one) => one.x));
  const [yLow, yHigh] = extent(curves.map((one) => one.y));
  const left = 66, right = 14, top = 12, bottom = 46;
  const toX = (x) => left + ((x - xLow) / (xHigh - xLow)) * (width - left - right);
  const toY = (y) => height - bottom - ((y - yLow) / (yHigh - yLow)) * (height - top - bottom);

  pen.font = "13px system-ui, sans-serif";
  pen.fillStyle = ink;
  pen.lineWidth = 1;
  const across = ticks(xLow, xHigh, Math.max(3, width / 110));
  const up = ticks(yLow, yHigh, Math.max(3, height / 70));
  pen.textAlign = "center";
  pen.textBaseline = "top";
  for (const x of across.found) {
    pen.strokeStyle = faint;
    line(pen, toX(x), top, toX(x), height - bottom);
    pen.fillText(label(x, across.digits), toX(x), height - bottom + 6);
  }
  pen.fillText(held.x_label, (left + width - right) / 2, height - 18);
  pen.textAlign = "right";
  pen.textBaseline = "middle";
  for (const y of up.found) {
    pen.strokeStyle = faint;
    line(pen, left, toY(y), width - right, toY(y));
    pen.fillText(label(y, up.digits), left - 6, toY(y));
  }
  pen.save();
  pen.translate(14, (top + height - bottom) / 2);
  pen.rotate(-Math.PI / 2);
  pen.textAlign = "center";
  pen.fillText(held.y_label, 0, 0);
  pen.restore();
  pen.strokeStyle = ink;
  pen.strokeRect(left, top, width - left - right, height - top - bottom);

  const points = curves.reduce((sum, one) => sum + one.x.length, 0);
  const radius = points > 1500 ? 2 : points > 400 ? 2.6 : 3.4;
  curves.forEach((one, row) => {
    const look = held.sizes[numbers[row]];
    pen.strokeStyle = pen.fillStyle = look.colour;
    pen.lineWidth = 0.8;
    pen.beginPath();
    for (let i = 0; i < one.x.length; i++) {
      const x = toX(one.x[i]);
      pen.moveTo(x, toY(one.y[i] - one.error[i]));
      pen.lineTo(x, toY(one.y[i] + one.error[i]));
    }
    pen.stroke();
    pen.beginPath();
    for (let i = 0; i < one.x.length; i++) {
      const x = toX(one.x[i]), y = toY(one.y[i]);
      pen.moveTo(x + radius, y);
      MARKS[look.marker](pen, x, y, radius);
    }
    pen.fill();
  });
}

function line(pen, x0, y0, x1, y1) {
  pen.beginPath();
  pen.moveTo(x0, y0);
  pen.lineTo(x1, y1);
  pen.stroke();
}

// --- the page --------------------------------------------------------------------------------

function command() {
  const v = state.values;
  const digits = (x) => Number(x.toPrecision(7)).toString();
  const words = [
    held.command,
    `--start c_c=${digits(v.c_c)}`,
    `--start nu=${digits(1 / v.inverse_nu)}`,
    `--start zeta=${digits(v.ratio / v.inverse_nu)}`,
  ];
  if (v.amplitude !== 0) words.push(`--corrections --start omega=${digits(v.omega)}`);
  return words.join(" ");
}

function update() {
  const all = rescaled(state.values);
  const numbers = all.map((_, row) => row).filter((row) => state.shown[row]);
  const curves = numbers.map((row) => all[row]);
  const found = quality(curves);
  const S = found.used ? found.S.toPrecision(5) : "not defined: no point lies between those of another size";
  byId("quality").textContent = S;
  byId("counted").textContent = found.used ? `${found.used} points count` : "";
  byId("command").textContent = command();
  canvas.setAttribute("aria-label",
    `${held.y_label} against ${held.x_label} for ${numbers.length} sizes; quality S ${S}`);
  draw(curves, numbers);
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
