// A figure whose reader drags the soft ratio and the temperature: the effective logit of a right and of a wrong teacher.
// It mounts on every <div class="kd-effective-logits" data-rho="0.9" data-temperature="5"></div>, without any library.
// Also: window.kdlib.effectiveLogit(zt, y, rho, T) and window.kdlib.correctionLogit(zt, y, T), as in kdlib.logits.
(function () {
  "use strict";

  const sigmoid = (x) => (x < 0 ? Math.exp(x) / (1 + Math.exp(x)) : 1 / (1 + Math.exp(-x)));
  const logSigmoid = (x) => Math.min(x, 0) - Math.log1p(Math.exp(-Math.abs(x)));
  const logAddExp = (a, b) => Math.max(a, b) + Math.log1p(Math.exp(-Math.abs(a - b)));

  // Root of (rho/T)(sigma(z/T) - sigma(zt/T)) + (1 - rho)(sigma(z) - y) = 0. For y = 0 that is
  // sigma(z/T) + kappa sigma(z) = sigma(u/T), kappa = (1 - rho) T / rho: Newton on its logarithm; y = 1 is its mirror.
  // A root above 0 is found in 1 - sigma, where no digits are lost. In both cases `s` is minus the size of the root.
  function effectiveLogit(zt, y, rho, T) {
    if (!(rho > 0 && rho <= 1)) throw new RangeError("rho must be in (0, 1]; got " + rho);
    if (!(T > 0)) throw new RangeError("T must be above 0; got " + T);
    if (y !== 0 && y !== 1) throw new RangeError("y must be 0 or 1; got " + y);
    if (rho === 1) return zt;
    const sign = y === 1 ? -1 : 1;
    const u = sign * zt;
    const v = u / T;
    const logKappa = Math.log1p(-rho) + Math.log(T) - Math.log(rho);
    const positive = Math.tanh(v / 2) > Math.exp(logKappa);
    let s;
    if (positive) {
      s = Math.min(0.5, sigmoid(-v) + Math.exp(logKappa));
      s = Math.min(0, T * (Math.log(s) - Math.log1p(-s)));
    } else {
      const alone = logSigmoid(v) - logKappa; // log sigma(z) if the hard term were alone
      s = Math.min(0, u, alone < 0 ? alone - Math.log(-Math.expm1(alone)) : Infinity);
    }
    for (let i = 0; i < 60; i += 1) {
      const soft = logSigmoid(s / T);
      const other = positive ? logSigmoid(-v) : soft;
      const hard = logKappa + logSigmoid(positive ? -s : s);
      const total = logAddExp(other, hard);
      const share = Math.exp(hard - total);
      const slope = positive
        ? sigmoid(-s / T) / T + share * sigmoid(s)
        : ((1 - share) * sigmoid(-s / T)) / T + share * sigmoid(-s);
      const step = (positive ? soft - total : total - logSigmoid(v)) / slope;
      s = Math.min(0, s - step);
      if (Math.abs(step) <= 1e-14 * (1 + Math.abs(s))) break;
    }
    return (positive ? -sign : sign) * s || 0;
  }

  // T^2 (y - sigma(zt)) / sigma'(zt/T): the move of the effective logit for a little hard label.
  function correctionLogit(zt, y, T) {
    const sign = y === 1 ? 1 : -1;
    const growth = Math.exp(Math.abs(zt) / T - Math.max(sign * zt, 0));
    return (sign * T * T * growth * (1 + Math.exp(-Math.abs(zt) / T)) ** 2) / (1 + Math.exp(-Math.abs(zt)));
  }

  window.kdlib = Object.assign(window.kdlib || {}, { effectiveLogit, correctionLogit });

  const REACH = 15; // both axes, as in the paper's figure
  const STYLE = `
    .kd-drag { margin: 1rem 0; max-width: 44rem; }
    .kd-drag svg { display: block; width: 100%; height: auto; overflow: visible; }
    .kd-drag text { fill: currentColor; font: 13px system-ui, sans-serif; }
    .kd-drag .kd-drag-grid { stroke: var(--kd-muted, #b9b9bf); stroke-width: 1; opacity: 0.45; }
    .kd-drag .kd-drag-zero { stroke: currentColor; stroke-width: 1; opacity: 0.6; }
    .kd-drag .kd-drag-teacher { stroke: var(--kd-teacher, #8a6a00); stroke-width: 1.5; }
    .kd-drag .kd-drag-curve { fill: none; stroke-width: 2.5; stroke-linejoin: round; }
    .kd-drag .kd-drag-wrong { stroke-dasharray: 7 5; }
    .kd-drag path, .kd-drag line { vector-effect: non-scaling-stroke; }
    .kd-drag-legend { display: flex; flex-wrap: wrap; gap: 0.2rem 1.2rem; font-size: 0.85rem; margin: 0.2rem 0 0.6rem; padding: 0; }
    .kd-drag-legend li { list-style: none; display: flex; align-items: center; gap: 0.5rem; margin: 0; }
    .kd-drag-legend svg { width: 2.2rem; height: 0.8rem; flex: none; }
    .kd-drag-controls { display: grid; grid-template-columns: minmax(0, 1fr); gap: 0.5rem 2rem; }
    @media (min-width: 36rem) { .kd-drag-controls { grid-template-columns: minmax(0, 1fr) minmax(0, 1fr); } }
    .kd-drag-controls label { display: flex; justify-content: space-between; gap: 1rem; font-size: 0.9rem; }
    .kd-drag-controls output { font-variant-numeric: tabular-nums; font-weight: 600; }
    .kd-drag-controls input { width: 100%; height: 2rem; margin: 0; cursor: pointer; }
    .kd-drag-controls .kd-drag-rho { accent-color: var(--kd-soft, #1f6fb4); }
    .kd-drag-controls .kd-drag-temperature { accent-color: var(--kd-teacher, #8a6a00); }
    .kd-drag-controls input:focus-visible { outline: 2px solid currentColor; outline-offset: -2px; border-radius: 4px; }
    .kd-drag-reading { font-size: 0.9rem; margin: 0.6rem 0 0; }`;

  const el = (name, attributes, ...children) => {
    const svg = ["svg", "g", "path", "line", "text", "tspan", "rect", "clipPath", "defs"].includes(name);
    const node = svg ? document.createElementNS("http://www.w3.org/2000/svg", name) : document.createElement(name);
    Object.entries(attributes || {}).forEach(([key, value]) => node.setAttribute(key, value));
    node.append(...children);
    return node;
  };

  // The soft ratio's slider is even in log(rho / (1 - rho)) and ends at 1; the temperature's is even in log10(T).
  const ENDS = { rho: [-7, 9.25], temperature: [Math.log10(0.05), 2] };
  const toRho = (x) => (x >= ENDS.rho[1] ? 1 : sigmoid(x));
  const fromRho = (rho) => (rho >= 1 ? ENDS.rho[1] : Math.min(Math.max(Math.log(rho / (1 - rho)), ENDS.rho[0]), ENDS.rho[1]));
  const clampT = (T) => Math.min(Math.max(T, 0.05), 100);
  const showRho = (rho) => (rho === 1 ? "1" : rho > 0.99 ? rho.toFixed(4) : rho < 0.01 ? rho.toFixed(4) : rho.toFixed(3));
  const showT = (T) => (T >= 10 ? T.toFixed(1) : T.toFixed(2));
  const show = (z) => z.toFixed(2).replace("-", "\u2212");

  // The drawn points of one branch, in the units of the axes: M zt,z L zt,z ...
  function branch(side, right, rho, T) {
    const y = (side > 0) === right ? 1 : 0;
    const points = [];
    for (let i = 0; i <= 150; i += 1) {
      const zt = (side * REACH * i) / 150;
      points.push(zt.toFixed(2) + "," + effectiveLogit(zt, y, rho, T).toFixed(5));
    }
    return "M" + points.join("L");
  }

  const name = (letter, index) => {
    const sub = el("tspan", { dy: "4", "font-size": "10" }, index);
    return el("tspan", { "font-style": "italic" }, letter, sub);
  };

  let count = 0;

  function mount(host) {
    count += 1;
    const id = "kd-drag-" + count;
    const state = {
      rho: Math.min(Math.max(Number(host.dataset.rho) || 0.9, 1e-3), 1),
      temperature: clampT(Number(host.dataset.temperature) || 5),
    };
    const svg = el("svg", { role: "img", "aria-labelledby": id + "-reading" });
    const slider = (key, words, letter, step) => {
      const [min, max] = ENDS[key];
      const value = key === "rho" ? fromRho(state.rho) : Math.log10(state.temperature);
      const attributes = { type: "range", id: id + "-" + key, class: "kd-drag-" + key, min, max, step, value };
      const input = el("input", attributes);
      const output = el("output", { for: id + "-" + key });
      const label = el("label", { for: id + "-" + key }, el("span", {}, words + " ", el("i", {}, letter)), output);
      input.addEventListener("input", () => {
        state[key] = key === "rho" ? toRho(Number(input.value)) : clampT(10 ** Number(input.value));
        draw();
      });
      return { input, output, box: el("div", {}, label, input) };
    };
    const rho = slider("rho", "soft ratio", "\u03c1", "0.05");
    const temperature = slider("temperature", "temperature", "T", "0.01");
    const key = (words, className, color) => {
      const line = el("line", { x1: 0, x2: 36, y1: 6, y2: 6, class: className });
      if (color) line.classList.add("kd-drag-mixed");
      return el("li", {}, el("svg", { viewBox: "0 0 36 12", "aria-hidden": "true" }, line), words);
    };
    const legend = el(
      "ul",
      { class: "kd-drag-legend" },
      key("right teacher", "kd-drag-curve", true),
      key("wrong teacher", "kd-drag-curve kd-drag-wrong", true),
      key("the teacher itself", "kd-drag-teacher", false)
    );
    const reading = el("p", { class: "kd-drag-reading", id: id + "-reading", "aria-live": "polite" });
    const controls = el("div", { class: "kd-drag-controls" }, rho.box, temperature.box);
    const box = el("div", { class: "kd-drag", role: "group", "aria-label": "Effective logits, with two sliders" });
    box.append(svg, legend, controls, reading);
    host.replaceChildren(box);

    const curves = [];
    function frame() {
      const width = Math.max(260, Math.round(box.clientWidth || 640));
      const height = Math.round(Math.min(Math.max(0.62 * width, 260), 420));
      const [left, top, right, bottom] = [46, 8, width - 8, height - 42];
      const sx = (right - left) / (2 * REACH);
      const sy = (bottom - top) / (2 * REACH);
      const x = (z) => left + sx * (z + REACH);
      const y = (z) => bottom - sy * (z + REACH);
      svg.setAttribute("viewBox", `0 0 ${width} ${height}`);
      const clip = el("clipPath", { id: id + "-clip" }, el("rect", { x: left, y: top, width: right - left, height: bottom - top }));
      const back = el("g", {});
      for (const z of [-15, -10, -5, 0, 5, 10, 15]) {
        const rule = z === 0 ? "kd-drag-zero" : "kd-drag-grid";
        back.append(el("line", { x1: x(z), x2: x(z), y1: top, y2: bottom, class: rule }));
        back.append(el("line", { x1: left, x2: right, y1: y(z), y2: y(z), class: rule }));
        const number = String(z).replace("-", "\u2212");
        back.append(el("text", { x: x(z), y: bottom + 17, "text-anchor": "middle" }, number));
        back.append(el("text", { x: left - 7, y: y(z) + 4, "text-anchor": "end" }, number));
      }
      const middle = (left + right) / 2;
      back.append(el("text", { x: middle, y: height - 6, "text-anchor": "middle" }, "teacher\u2019s logit ", name("z", "t")));
      const turned = `rotate(-90) translate(${-(top + bottom) / 2} 13)`;
      back.append(el("text", { transform: turned, "text-anchor": "middle" }, "effective logit ", name("z", "eff")));
      const units = `translate(${x(0)} ${y(0)}) scale(${sx} ${-sy})`; // the paths are in the units of the axes
      const inside = el("g", { transform: units });
      inside.append(el("path", { class: "kd-drag-teacher", d: `M${-REACH},${-REACH}L${REACH},${REACH}` }));
      curves.length = 0;
      for (const right of [true, false]) {
        for (const side of [-1, 1]) {
          const kind = right ? "right" : "wrong";
          const path = el("path", { class: `kd-drag-curve kd-drag-mixed kd-drag-${kind}`, "data-teacher": kind, "data-side": side });
          curves.push({ path, side, right });
          inside.append(path);
        }
      }
      svg.replaceChildren(el("defs", {}, clip), back, el("g", { "clip-path": `url(#${id}-clip)` }, inside));
    }

    function draw() {
      const { rho: r, temperature: T } = state;
      curves.forEach(({ path, side, right }) => path.setAttribute("d", branch(side, right, r, T)));
      const color = `color-mix(in srgb, var(--kd-soft, #1f6fb4) ${(100 * r).toFixed(1)}%, var(--kd-hard, #c4432b))`;
      box.querySelectorAll(".kd-drag-mixed").forEach((line) => line.style.setProperty("stroke", color));
      host.dataset.rho = r;
      host.dataset.temperature = T;
      rho.output.textContent = showRho(r);
      temperature.output.textContent = showT(T);
      rho.input.setAttribute("aria-valuetext", showRho(r));
      temperature.input.setAttribute("aria-valuetext", showT(T));
      const limit = T / (1 + T);
      const rule =
        r <= limit
          ? "However wrong a teacher is, the student ends up right: the soft ratio is not above"
          : "A teacher that is wrong enough takes the student along: the soft ratio is above";
      reading.textContent =
        `At soft ratio ${showRho(r)} and temperature ${showT(T)} the student\u2019s logit is never nearer to the boundary than ` +
        `${show(effectiveLogit(0, 1, r, T))} under a right teacher. A wrong teacher at \u221215 leaves it at ` +
        `${show(effectiveLogit(-REACH, 1, r, T))}. ${rule} T/(1+T) = ${showRho(limit)}.`;
    }

    frame();
    draw();
    if (window.ResizeObserver) {
      let last = box.clientWidth;
      new ResizeObserver(() => {
        if (box.clientWidth === last) return;
        last = box.clientWidth;
        frame();
        draw();
      }).observe(box);
    }
  }

  function start() {
    const hosts = document.querySelectorAll("div.kd-effective-logits");
    if (hosts.length === 0) return;
    document.head.append(el("style", {}, STYLE));
    hosts.forEach(mount);
  }

  if (document.readyState === "loading") document.addEventListener("DOMContentLoaded", start);
  else start();
})();
