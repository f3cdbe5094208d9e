// A figure whose reader drags the soft ratio and the temperature: the effective logit of a right and of a wrong teacher.
// It mounts on every <div class="kd-effective-logits" data-rho="0.9" data-temperature="5"></div>.
// Also: kdlib.effectiveLogit(zt, y, rho, T) and kdlib.correctionLogit(zt, y, T), as in kdlib.logits, and the slider's
// way along the soft ratio, kdlib.softRatio.
"use strict";
(function () {
  const { drawing, element, mount, resize, shape, legend, reading, slider } = window.kdlib.moving;

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

  // A slider that is even in log(rho / (1 - rho)) and ends at 1.
  const LEAST = -7, MOST = 9.25;
  const softRatio = {
    range: { name: "rho", words: "soft ratio ρ", min: LEAST, max: MOST, step: 0.05 },
    at: (x) => (x >= MOST ? 1 : sigmoid(x)),
    place: (rho) => (rho >= 1 ? MOST : Math.min(Math.max(Math.log(rho / (1 - rho)), LEAST), MOST)),
    show: (rho) => (rho === 1 ? "1" : rho > 0.99 || rho < 0.01 ? rho.toFixed(4) : rho.toFixed(3)),
  };
  // One that is even in log T.
  const temperature = {
    range: { name: "temperature", words: "temperature T", min: Math.log10(0.05), max: 2, step: 0.01 },
    at: (x) => Math.min(Math.max(10 ** x, 0.05), 100),
    place: (T) => Math.log10(T),
    show: (T) => (T >= 10 ? T.toFixed(1) : T.toFixed(2)),
  };

  Object.assign(window.kdlib, { effectiveLogit, correctionLogit, softRatio, temperature });

  const REACH = 15; // both axes, as in the paper's figure
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

  // Text with a letter and its index.
  function named(parent, attributes, words, letter, index) {
    const text = shape(parent, "text", { "text-anchor": "middle", ...attributes }, words);
    shape(text, "tspan", { "font-style": "italic" }, letter);
    shape(text, "tspan", { dy: "4", "font-size": "10" }, index);
  }

  // The numbered square on which the branches lie; returns a group in the units of its axes.
  function square(svg, width, id) {
    const height = Math.round(Math.min(Math.max(0.62 * width, 260), 420));
    const [left, top, right, bottom] = [46, 8, width - 8, height - 42];
    const sx = (right - left) / (2 * REACH), sy = (bottom - top) / (2 * REACH);
    const x = (z) => left + sx * (z + REACH), y = (z) => bottom - sy * (z + REACH);
    resize(svg, width, height);
    const clip = shape(shape(svg, "defs", {}), "clipPath", { id: id + "-clip" });
    shape(clip, "rect", { x: left, y: top, width: right - left, height: bottom - top });
    const back = shape(svg, "g", { class: "kd-axes" });
    for (const z of [-15, -10, -5, 0, 5, 10, 15]) {
      const rule = z === 0 ? { class: "kd-zero" } : {};
      shape(back, "line", { x1: x(z), x2: x(z), y1: top, y2: bottom, ...rule });
      shape(back, "line", { x1: left, x2: right, y1: y(z), y2: y(z), ...rule });
      const number = String(z).replace("-", "\u2212");
      shape(back, "text", { x: x(z), y: bottom + 17, "text-anchor": "middle" }, number);
      shape(back, "text", { x: left - 7, y: y(z) + 4, "text-anchor": "end" }, number);
    }
    named(back, { x: (left + right) / 2, y: height - 6 }, "teacher\u2019s logit ", "z", "t");
    const turned = `rotate(-90) translate(${-(top + bottom) / 2} 13)`;
    named(back, { transform: turned }, "effective logit ", "z", "eff");
    const inside = shape(svg, "g", { "clip-path": `url(#${id}-clip)` });
    return shape(inside, "g", { transform: `translate(${x(0)} ${y(0)}) scale(${sx} ${-sy})` });
  }

  const WRONG = { "stroke-dasharray": "7 5" };
  const TEACHER = { stroke: "var(--kd-teacher)", "stroke-width": 1.5 };

  mount("kd-effective-logits", (host, id) => {
    const svg = drawing(), told = reading(svg);
    const controls = element("div", { class: "kd-controls" });
    const control = ({ range, at, place, show }, value) =>
      slider(controls, id, { ...range, value: place(value), show: (x) => show(at(x)) }, draw);
    const ofRho = control(softRatio, Number(host.dataset.rho) || 0.9);
    const ofT = control(temperature, Number(host.dataset.temperature) || 5);
    const lines = legend([
      { words: "right teacher", class: "kd-mixed", "stroke-width": 2.5 },
      { words: "wrong teacher", class: "kd-mixed", "stroke-width": 2.5, ...WRONG },
      { words: "the teacher itself", ...TEACHER },
    ]);
    host.replaceChildren(svg, lines, controls, told.line);

    const curves = [];
    function frame(width) {
      const inside = square(svg, width, id);
      shape(inside, "path", { ...TEACHER, d: `M${-REACH},${-REACH}L${REACH},${REACH}` });
      curves.length = 0;
      for (const right of [true, false])
        for (const side of [-1, 1]) {
          const look = { fill: "none", "stroke-width": 2.5, class: "kd-mixed", ...(right ? {} : WRONG) };
          const data = { "data-teacher": right ? "right" : "wrong", "data-side": side };
          curves.push({ side, right, path: shape(inside, "path", { ...look, ...data }) });
        }
      draw();
    }

    function draw() {
      const rho = softRatio.at(ofRho.value), T = temperature.at(ofT.value);
      for (const { path, side, right } of curves) path.setAttribute("d", branch(side, right, rho, T));
      const color = `color-mix(in srgb, var(--kd-soft) ${(100 * rho).toFixed(1)}%, var(--kd-hard))`;
      for (const line of host.querySelectorAll(".kd-mixed")) line.style.stroke = color;
      Object.assign(host.dataset, { rho, temperature: T });
      const limit = T / (1 + T);
      const rule = rho <= limit
        ? "However wrong a teacher is, the student ends up right: the soft ratio is not above"
        : "A teacher that is wrong enough takes the student along: the soft ratio is above";
      told.say(
        `At soft ratio ${softRatio.show(rho)} and temperature ${temperature.show(T)} the student\u2019s logit is never ` +
        `nearer to the boundary than ${show(effectiveLogit(0, 1, rho, T))} under a right teacher. A wrong teacher at ` +
        `\u221215 leaves it at ${show(effectiveLogit(-REACH, 1, rho, T))}. ${rule} T/(1+T) = ${softRatio.show(limit)}.`
      );
    }
    return frame;
  });
})();
