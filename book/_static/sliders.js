// Curves of a table, the setting chosen with sliders. Mounts on every <div class="kd-sliders" data-…>, without any library.
"use strict";
(function () {
  const H = 360, LEFT = 62, RIGHT = 14, TOP = 12, BOTTOM = 46;
  const NS = "http://www.w3.org/2000/svg";

  function make(tag, attributes, parent, text) {
    const node = document.createElementNS(NS, tag);
    for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
    if (text !== undefined) node.textContent = text;
    if (parent) parent.appendChild(node);
    return node;
  }

  function shown(value) {
    return typeof value === "number" ? String(Number(value.toPrecision(5))) : String(value);
  }

  function ticks(low, high, log) {
    if (log) {
      const found = [];
      for (let k = Math.floor(Math.log10(low)); k <= Math.ceil(Math.log10(high)); k++)
        for (const m of Math.log10(high / low) > 2.5 ? [1] : [1, 2, 5]) found.push(m * 10 ** k);
      return found.filter((v) => v >= low * 0.999 && v <= high * 1.001);
    }
    const rough = (high - low) / 5, power = 10 ** Math.floor(Math.log10(rough));
    const step = power * [1, 2, 5, 10].find((m) => m * power >= rough);
    const found = [];
    for (let v = Math.ceil(low / step) * step; v <= high + step * 1e-9; v += step) found.push(Number(v.toPrecision(12)));
    return found;
  }

  function scale(values, log, from, to) {
    let low = Math.min(...values), high = Math.max(...values);
    if (!log) { const pad = 0.04 * (high - low || 1); low -= pad; high += pad; }
    const f = log ? Math.log : (v) => v;
    const place = (v) => from + ((f(v) - f(low)) / (f(high) - f(low) || 1)) * (to - from);
    return { place, ticks: ticks(low, high, log) };
  }

  function mount(host, number) {
    const W = Math.max(320, Math.min(640, host.clientWidth || 640));  // letters keep their size on a phone
    const read = (name) => JSON.parse(host.dataset[name]);
    const text = (name) => host.dataset[name];
    const columns = read("columns"), along = read("along"), values = read("values"), labels = read("labels");
    const colors = read("colors"), start = read("start"), log = read("logarithmic");
    const x = text("x"), y = text("y"), optional = (name) => (text(name) === "null" ? null : text(name));
    const hue = optional("hue"), low = optional("low"), high = optional("high");
    const label = (name) => labels[name] || name, finite = (list) => list.filter(Number.isFinite);
    const known = (i, ...names) => names.every((name) => Number.isFinite(columns[name][i]));  // null where there is no value
    const rows = columns[x].map((_, i) => i).filter((i) => known(i, x, y));
    const spread = low ? columns[y].concat(columns[low], columns[high]) : columns[y];
    const X = scale(finite(columns[x]), log.includes("x"), LEFT, W - RIGHT);
    const Y = scale(finite(spread), log.includes("y"), H - BOTTOM, TOP);
    host.textContent = "";
    const svg = make("svg", { viewBox: `0 0 ${W} ${H}`, role: "img", style: "width:100%;max-width:640px;display:block" }, host);
    const axes = make("g", { fill: "var(--kd-ink)", "font-size": 13 }, svg);
    for (const v of X.ticks) {
      make("line", { x1: X.place(v), x2: X.place(v), y1: TOP, y2: H - BOTTOM, stroke: "var(--kd-muted)", "stroke-opacity": 0.4 }, axes);
      make("text", { x: X.place(v), y: H - BOTTOM + 18, "text-anchor": "middle" }, axes, shown(v));
    }
    for (const v of Y.ticks) {
      make("line", { x1: LEFT, x2: W - RIGHT, y1: Y.place(v), y2: Y.place(v), stroke: "var(--kd-muted)", "stroke-opacity": 0.4 }, axes);
      make("text", { x: LEFT - 6, y: Y.place(v) + 4, "text-anchor": "end" }, axes, shown(v));
    }
    make("text", { x: (LEFT + W - RIGHT) / 2, y: H - 8, "text-anchor": "middle" }, axes, label(x));
    make("text", { transform: `translate(14 ${(TOP + H - BOTTOM) / 2}) rotate(-90)`, "text-anchor": "middle" }, axes, label(y));
    const curves = make("g", { "stroke-width": 2 }, svg);
    const controls = document.createElement("div");
    controls.className = "kd-sliders-controls";
    host.appendChild(controls);
    const reading = document.createElement("p");
    reading.className = "kd-drag-reading";
    reading.setAttribute("aria-live", "polite");
    host.appendChild(reading);
    const inputs = {};
    for (const name of along) {
      const box = document.createElement("label"), input = document.createElement("input"), output = document.createElement("output");
      const words = document.createElement("span");
      words.textContent = label(name) + " ";
      Object.assign(input, { type: "range", min: 0, max: values[name].length - 1, step: 1 });
      input.id = box.htmlFor = `kd-sliders-${number}-${along.indexOf(name)}`;  // a label's own choice would be the output
      output.setAttribute("for", input.id);
      input.value = start[name] || 0;  // a slider's column and its start are places in values
      input.dataset.name = name;
      box.append(words, output, input);
      controls.appendChild(box);
      input.addEventListener("input", draw);
      inputs[name] = { input, output };
    }

    function draw() {
      const chosen = {};
      for (const name of along) {
        chosen[name] = values[name][Number(inputs[name].input.value)];
        inputs[name].output.textContent = shown(chosen[name]);
        inputs[name].input.setAttribute("aria-valuetext", shown(chosen[name]));
      }
      const here = rows.filter((i) => along.every((name) => columns[name][i] === Number(inputs[name].input.value)));
      const groups = hue ? [...new Set(columns[hue])] : [null];
      curves.textContent = "";
      groups.forEach((group, k) => {
        const part = here.filter((i) => !hue || columns[hue][i] === group).sort((a, b) => columns[x][a] - columns[x][b]);
        const color = `var(--kd-${colors[group] || "soft"})`;
        const line = (column, list) => list.map((i) => `${X.place(columns[x][i])},${Y.place(columns[column][i])}`);
        if (low) {
          const within = part.filter((i) => known(i, low, high));
          const points = line(low, within).concat(line(high, within.slice().reverse()));
          make("polygon", { points: points.join(" "), fill: color, "fill-opacity": 0.2, stroke: "none" }, curves);
        }
        const path = { points: line(y, part).join(" "), fill: "none", stroke: color, "data-hue": group === null ? "" : group };
        path["data-values"] = part.map((i) => columns[y][i]).join(" ");
        make("polyline", path, curves);
        for (const i of part) make("circle", { cx: X.place(columns[x][i]), cy: Y.place(columns[y][i]), r: 3, fill: color }, curves);
        if (group !== null) make("text", { x: W - RIGHT - 6, y: TOP + 16 + 17 * k, "text-anchor": "end", fill: color, "font-size": 13 }, curves, group);
      });
      const best = here.reduce((a, b) => (columns[y][b] < columns[y][a] ? b : a), here[0]);
      const least = here.length ? `least ${label(y)} ${shown(columns[y][best])} at ${label(x)} ${shown(columns[x][best])}` : "no value";
      reading.textContent = along.map((name) => `${label(name)} ${shown(chosen[name])}`).join(", ") + ": " + least;
      svg.setAttribute("aria-label", reading.textContent);
    }
    draw();
  }

  function mountAll() { document.querySelectorAll("div.kd-sliders").forEach(mount); }
  if (document.readyState === "loading") document.addEventListener("DOMContentLoaded", mountAll);
  else mountAll();
})();
