// Curves of a table, the setting chosen with sliders, beside a ghost whose setting stays: <div class="kd-sliders" data-…>,
// made by moving.sliders.
"use strict";
(function () {
  const { axes, drawing, element, legend, mount, polyline, reading, resize, shape, shown, slider } = window.kdlib.moving;
  const HEIGHT = 340;
  const DASHES = ["", "9 6", "3 4", "12 4 3 4"];

  // The table: columns of numbers in which null stands for no value, and what the figure asks of its rows.
  function table(data) {
    const read = (name) => JSON.parse(data[name]);
    const optional = (name) => (data[name] === "null" ? null : data[name]);
    const columns = read("columns"), along = read("along"), [x, y, hue] = [data.x, data.y, optional("hue")];
    const finite = (name) => columns[name].filter(Number.isFinite);
    const known = (i, ...names) => names.every((name) => Number.isFinite(columns[name][i]));
    const rows = columns[x].map((_, i) => i).filter((i) => known(i, x, y));
    // The rows of one curve at a setting, from left to right.
    const curve = (setting, group) => rows
      .filter((i) => (group === null || columns[hue][i] === group) && along.every((name) => columns[name][i] === setting[name]))
      .sort((a, b) => columns[x][a] - columns[x][b]);
    const groups = hue === null ? [null] : [...new Set(columns[hue])];
    return { columns, finite, known, curve, groups };
  }

  mount("kd-sliders", (host, id) => {
    const read = (name) => JSON.parse(host.dataset[name]);
    const along = read("along"), values = read("values"), labels = read("labels"), colors = read("colors");
    const ghost = read("ghost"), at = read("at"), start = read("start"), logarithmic = read("logarithmic");
    const { x, y } = host.dataset, low = host.dataset.low === "null" ? null : host.dataset.low, { high } = host.dataset;
    const { columns, finite, known, curve, groups } = table(host.dataset);
    const label = (name) => labels[name] || name;
    const color = (group) => `var(--kd-${colors[group] || "soft"})`;
    const inWords = (setting, names) => names.map((name) => `${label(name)} ${shown(values[name][setting[name]])}`).join(", ");
    // The first curve is the widest and lies below the others, which are dashed, so that none hides another.
    const look = (group, k) =>
      ({ stroke: color(group), "stroke-width": 2 + 1.5 * (groups.length - 1 - k), "stroke-dasharray": DASHES[k % DASHES.length] });
    const GHOST = { stroke: "var(--kd-ink)", "stroke-width": 1.5, "stroke-dasharray": "5 4" };
    const hasGhost = Object.keys(ghost).length > 0, ghostName = inWords(ghost, Object.keys(ghost));

    const svg = drawing(), told = reading(svg);
    const controls = element("div", { class: "kd-controls" });
    const inputs = {};
    for (const name of along) {
      const range = { min: 0, max: values[name].length - 1, step: 1, value: start[name] };
      const show = (place) => shown(values[name][place]);
      inputs[name] = slider(controls, id, { name, words: label(name), show, ...range }, draw);
    }
    const entries = groups.length > 1 ? groups.map((group, k) => ({ words: group, ...look(group, k) })) : [];
    if (hasGhost) entries.push({ words: ghostName, ...GHOST });
    host.replaceChildren(svg, ...(entries.length ? [legend(entries)] : []), controls, told.line);

    let curves, X, Y;
    function frame(width) {
      resize(svg, width, HEIGHT);
      const spread = low ? [...finite(y), ...finite(low), ...finite(high)] : finite(y);
      [X, Y] = axes(svg, width, HEIGHT,
        { values: finite(x), logarithmic: logarithmic.includes("x"), name: label(x) },
        { values: spread, logarithmic: logarithmic.includes("y"), name: label(y) });
      curves = shape(svg, "g", {});
      draw();
    }

    const points = (rows, column) => rows.map((i) => `${X(columns[x][i])},${Y(columns[column][i])}`);

    function band(rows, group) {
      const within = rows.filter((i) => known(i, low, high));
      const around = points(within, low).concat(points(within.slice().reverse(), high));
      shape(curves, "polygon", { points: around.join(" "), fill: color(group), "fill-opacity": 0.15 });
    }

    function draw() {
      const setting = Object.fromEntries(along.map((name) => [name, inputs[name].value]));
      curves.replaceChildren();
      groups.forEach((group, k) => {
        const rows = curve(setting, group);
        if (low) band(rows, group);
        const data = { "data-hue": group ?? "", "data-values": rows.map((i) => columns[y][i]).join(" ") };
        polyline(curves, points(rows, y), { ...look(group, k), ...data });
        for (const i of rows) shape(curves, "circle", { cx: X(columns[x][i]), cy: Y(columns[y][i]), r: 2.5, fill: color(group) });
      });
      if (hasGhost) for (const group of groups) drawGhost(curve({ ...setting, ...ghost }, group));
      told.say(sentence(setting));
    }

    function drawGhost(rows) {
      polyline(curves, points(rows, y), { ...GHOST, "data-ghost": rows.map((i) => columns[y][i]).join(" ") });
    }

    // The value of a curve at the x of the reading, with its name.
    function valueAt(setting, group) {
      const row = curve(setting, group).find((i) => columns[x][i] === at);
      const value = row === undefined ? "no value" : shown(columns[y][row], 3);
      return group === null ? value : `${value} (${group})`;
    }

    function sentence(setting) {
      const there = groups.map((group) => valueAt(setting, group)).join(", ");
      const said = `At ${inWords(setting, along)}: ${label(y)} ${there} at ${label(x)} ${shown(at)}`;
      if (!hasGhost) return `${said}.`;
      const beside = groups.map((group) => valueAt({ ...setting, ...ghost }, group)).join(", ");
      return `${said}; ${beside} with ${ghostName}.`;
    }
    return frame;
  });
})();
