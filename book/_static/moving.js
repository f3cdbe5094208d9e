// What the figures that move share: drawing, axes, sliders and choices, and work beside the page. A figure's own script
// calls kdlib.moving.mount(kind, build); the place on the page is made by companion.moving.
"use strict";
window.kdlib = window.kdlib || {};
window.kdlib.moving = (function () {
  const WIDEST = 640;
  const NARROWEST = 280;
  const LETTER = 7.6; // width of a digit at the size of the axes' numbers, 13 px

  // ---- elements

  function element(tag, attributes, ...children) {
    const node = document.createElement(tag);
    for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
    node.append(...children);
    return node;
  }

  // A part of a drawing, put into its parent.
  function shape(parent, tag, attributes, text) {
    const node = document.createElementNS("http://www.w3.org/2000/svg", tag);
    for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
    if (text !== undefined) node.textContent = text;
    if (parent) parent.append(node);
    return node;
  }

  function drawing() {
    return shape(null, "svg", { role: "img", class: "kd-drawing" });
  }

  // Empties a drawing and gives it a size, in units that are pixels as long as there is room for them.
  function resize(svg, width, height) {
    svg.replaceChildren();
    svg.setAttribute("viewBox", `0 0 ${width} ${height}`);
    svg.style.maxWidth = `${width}px`;
  }

  function polyline(parent, points, attributes) {
    return shape(parent, "polyline", { points: points.join(" "), fill: "none", ...attributes });
  }

  // ---- numbers

  const RAISED = "⁰¹²³⁴⁵⁶⁷⁸⁹";

  // A number to so many significant digits: 1,919, 0.00055, 2.5 × 10⁻⁷. A text stays as it is.
  function shown(value, digits = 5) {
    if (typeof value !== "number") return String(value);
    if (Number.isInteger(value) && Math.abs(value) < 1e9) return value.toLocaleString("en-US").replace("-", "−");
    if (value !== 0 && (Math.abs(value) < 1e-4 || Math.abs(value) >= 1e9)) {
      const [leading, power] = value.toExponential(digits - 1).split("e");
      const raised = [...power.replace("+", "")].map((sign) => RAISED[sign] || "⁻").join("");
      return `${Number(leading)} × 10${raised}`.replace("-", "−");
    }
    return value.toLocaleString("en-US", { maximumSignificantDigits: digits }).replace("-", "−");
  }

  const percent = (share) => `${shown(100 * share, 3)} %`;

  // ---- axes

  // Multiples of 1, 2 or 5 times a power of ten between two ends, at most so many.
  function multiples(low, high, most) {
    const rough = (high - low) / most, power = 10 ** Math.floor(Math.log10(rough));
    const step = power * [1, 2, 5, 10].find((factor) => factor * power >= rough * 0.999);
    const found = [];
    for (let k = Math.ceil(low / step - 1e-9); k * step <= high + 1e-9 * step; k++) found.push(Number((k * step).toPrecision(12)));
    return found;
  }

  function powers(low, high, factors, every) {
    const found = [];
    for (let k = Math.floor(Math.log10(low)); k <= Math.ceil(Math.log10(high)); k++)
      if (k % every === 0) for (const factor of factors) found.push(factor * 10 ** k);
    return found.filter((value) => value >= low * 0.999 && value <= high * 1.001).map((value) => Number(value.toPrecision(12)));
  }

  // The most numbers along an axis whose texts do not touch.
  function ticks(low, high, logarithmic, place, room) {
    const apart = (found) => found.every((value, i) => i === 0 ||
      Math.abs(place(value) - place(found[i - 1])) >= (room(value) + room(found[i - 1])) / 2);
    let tried;
    if (logarithmic) {
      tried = [[1, 2, 5], [1, 3], [1]].map((factors) => powers(low, high, factors, 1));
      tried.push(...[2, 3, 4].map((every) => powers(low, high, [1], every)));
      const few = tried.filter((found) => found.length > 1 && apart(found));
      if (few.length) return few[0];
    }
    tried = [6, 5, 4, 3, 2].map((most) => multiples(low, high, most));
    return tried.find((found) => apart(found)) || [low];
  }

  // From values to places: { place, ticks }. A logarithmic axis ends at the values, any other one a little beyond.
  function scale(values, logarithmic, from, to, room) {
    let low = Math.min(...values), high = Math.max(...values);
    if (!logarithmic) {
      const beyond = 0.04 * (high - low || 1);
      low -= beyond;
      high += beyond;
    }
    const f = logarithmic ? Math.log : (value) => value;
    const place = (value) => from + ((f(value) - f(low)) / (f(high) - f(low) || 1)) * (to - from);
    return { place, ticks: ticks(low, high, logarithmic, place, room) };
  }

  const BOX = { left: 62, right: 14, top: 12, bottom: 46 };

  // Draws two axes with their numbers and names; x and y are { values, logarithmic, name }. Returns the two placings.
  function axes(svg, width, height, x, y, box = BOX) {
    const [left, right, top, bottom] = [box.left, width - box.right, box.top, height - box.bottom];
    const X = scale(x.values, x.logarithmic, left, right, (value) => LETTER * shown(value).length + 10);
    const Y = scale(y.values, y.logarithmic, bottom, top, () => 20);
    const back = shape(svg, "g", { class: "kd-axes" });
    for (const value of X.ticks) {
      shape(back, "line", { x1: X.place(value), x2: X.place(value), y1: top, y2: bottom });
      shape(back, "text", { x: X.place(value), y: bottom + 18, "text-anchor": "middle" }, shown(value));
    }
    for (const value of Y.ticks) {
      shape(back, "line", { x1: left, x2: right, y1: Y.place(value), y2: Y.place(value) });
      shape(back, "text", { x: left - 6, y: Y.place(value) + 4, "text-anchor": "end" }, shown(value));
    }
    shape(back, "text", { x: (left + right) / 2, y: height - 8, "text-anchor": "middle" }, x.name);
    shape(back, "text", { transform: `translate(14 ${(top + bottom) / 2}) rotate(-90)`, "text-anchor": "middle" }, y.name);
    return [X.place, Y.place];
  }

  // A list of lines and what they are; each is { words, ...attributes of its line }.
  function legend(entries) {
    const list = element("ul", { class: "kd-legend" });
    for (const { words, ...look } of entries) {
      const sample = shape(null, "svg", { viewBox: "0 0 36 12", "aria-hidden": "true" });
      shape(sample, "line", { x1: 0, x2: 36, y1: 6, y2: 6, ...look });
      list.append(element("li", {}, sample, words));
    }
    return list;
  }

  // ---- what the reader moves

  // A slider with its name and its value: { name, words, min, max, step, value, show }, where show gives a value's text.
  function slider(controls, id, { name, words, show = shown, ...range }, moved) {
    const input = element("input", { type: "range", id: `${id}-${name}`, "data-name": name });
    for (const key of ["min", "max", "step", "value"]) input[key] = range[key];
    const output = element("output", { for: input.id });
    // A label's own choice would be the output.
    controls.append(element("label", { for: input.id }, element("span", {}, `${words} `), output, input));
    let value = Number(range.value); // exact, where the slider itself stands at the nearest of its steps
    const control = {
      get value() { return value; },
      tell() {
        output.textContent = show(value);
        input.setAttribute("aria-valuetext", output.textContent);
      },
    };
    control.tell();
    input.addEventListener("input", () => {
      value = Number(input.value);
      control.tell();
      moved();
    });
    return control;
  }

  // One of several: { name, words, options: { value: text }, value }. The arrow keys move the choice.
  function choice(controls, id, { name, words, options, value }, moved) {
    const set = element("fieldset", {}, element("legend", {}, words));
    for (const [option, text] of Object.entries(options)) {
      const input = element("input", { type: "radio", name: `${id}-${name}`, value: option, "data-name": name });
      input.checked = option === value;
      input.addEventListener("change", moved);
      set.append(element("label", {}, input, ` ${text}`));
    }
    controls.append(set);
    return { get value() { return set.querySelector("input:checked").value; } };
  }

  // ---- the figure on the page

  // Calls build(host, id) for each place, and what it returns with the width, at first and whenever that changes.
  function mount(kind, build) {
    function start() {
      document.querySelectorAll(`div.${kind}`).forEach((host, number) => {
        const frame = build(host, `${kind}-${number}`);
        let last = 0;
        const measure = () => {
          const width = Math.round(Math.max(NARROWEST, Math.min(WIDEST, host.clientWidth || WIDEST)));
          if (width !== last) frame((last = width));
        };
        measure();
        if (window.ResizeObserver) new ResizeObserver(measure).observe(host);
      });
    }
    if (document.readyState === "loading") document.addEventListener("DOMContentLoaded", start);
    else start();
  }

  // The text below a figure, read aloud when it changes; it names the drawing too.
  function reading(svg) {
    const line = element("p", { class: "kd-reading", "aria-live": "polite" });
    return { line, say(text) {
      line.textContent = text;
      svg.setAttribute("aria-label", text);
    } };
  }

  // ---- work beside the page

  // A worker that computes: functions as they stand here, the last of which is called with (task, kept); `kept` is an
  // object of its own that stays from task to task. A page opened from disk may start a worker from a Blob alone.
  // ask(task, answer) calls answer(result), but not for a task that was overtaken by a later one.
  function worker(...functions) {
    const entry = functions.at(-1).name;
    const source = functions.map(String).join("\n") +
      `\nconst kept = {};\nonmessage = (message) => postMessage(${entry}(message.data, kept));`;
    const thread = new Worker(URL.createObjectURL(new Blob([source], { type: "text/javascript" })));
    let waiting = null, running = null;
    const next = () => {
      running = waiting;
      waiting = null;
      if (running) thread.postMessage(running.task);
    };
    thread.onmessage = (message) => {
      const { answer } = running, overtaken = waiting !== null;
      next();
      if (!overtaken) answer(message.data);
    };
    return function ask(task, answer) {
      waiting = { task, answer };
      if (!running) next();
    };
  }

  return { element, shape, drawing, resize, polyline, shown, percent, scale, axes, legend, slider, choice, mount, reading, worker };
})();
