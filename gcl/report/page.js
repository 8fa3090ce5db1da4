"use strict";
(() => {
  const data = JSON.parse(document.getElementById("data").textContent);
  const at = (id) => document.getElementById(id);
  const dark = matchMedia("(prefers-color-scheme: dark)");
  const coarse = matchMedia("(pointer: coarse)").matches;
  const PALETTE = ["#4477aa", "#ee8866", "#228833", "#aa3377", "#ccbb44", "#66ccee", "#ee6677", "#8c6bb1", "#9c755f", "#7f8fa6"];
  const RAMP = ["#8a5fd0", "#6f6bd6", "#527dd0", "#3a90b8", "#2aa198", "#35b27f", "#5ec962", "#addc30", "#fde725"];
  const NONE = "#8d93a0";
  const MOST = 30; // entries of a legend
  const figures = [];

  function element(tag, attributes = {}, ...children) {
    const made = document.createElement(tag);
    for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
    made.append(...children); // texts stay texts
    return made;
  }

  // Numbers in base 64, little-endian.
  const KINDS = {i1: ["getInt8", 1], i2: ["getInt16", 2], i4: ["getInt32", 4], f4: ["getFloat32", 4]};
  function unpack(packed) {
    if (packed === null) return null;
    const text = atob(packed.bytes), [read, width] = KINDS[packed.kind];
    const view = new DataView(Uint8Array.from(text, (c) => c.charCodeAt(0)).buffer);
    return Array.from({length: text.length / width}, (_, i) => view[read](i * width, true));
  }

  function colourOfClass(code, classes) {
    if (code < 0) return NONE;
    if (classes <= PALETTE.length) return PALETTE[code];
    return `hsl(${Math.round((code * 137.508) % 360)} 60% ${[45, 60, 52][code % 3]}%)`;
  }
  function colourOnRamp(share) {
    const place = share * (RAMP.length - 1), low = Math.min(Math.floor(place), RAMP.length - 2);
    const part = (hex, k) => parseInt(hex.slice(1 + 2 * k, 3 + 2 * k), 16);
    const mixed = [0, 1, 2].map((k) => Math.round(part(RAMP[low], k) * (1 - place + low) + part(RAMP[low + 1], k) * (place - low)));
    return `rgb(${mixed.join(" ")})`;
  }
  const shown = (value) => Number.isInteger(value) ? String(value) : String(Number(value.toPrecision(5)));

  function paint(plot) {
    const style = getComputedStyle(document.documentElement);
    const [text, line] = ["--quiet", "--line"].map((name) => style.getPropertyValue(name).trim());
    plot.background_fill_color = null;
    plot.border_fill_color = null;
    plot.outline_line_color = null;
    for (const axis of [...plot.below, ...plot.left]) {
      axis.axis_line_color = line;
      axis.major_tick_line_color = line;
      axis.minor_tick_line_color = null;
      axis.major_label_text_color = text;
      axis.axis_label_text_color = text;
      axis.axis_label_text_font_style = "normal";
    }
    for (const grid of plot.center) if ("grid_line_color" in grid) grid.grid_line_color = line;
  }
  function figure(options) {
    const plot = Bokeh.Plotting.figure({sizing_mode: "stretch_both", tools: "", toolbar_location: null, ...options});
    plot.toolbar.logo = null;
    paint(plot);
    figures.push(plot);
    return plot;
  }
  dark.addEventListener("change", () => figures.forEach(paint));

  function entry(colour, text) {
    return element("li", {}, element("span", {class: "swatch", style: `background:${colour}`}), text);
  }

  function drawMap() {
    const map = data.map, rows = unpack(map.rows) ?? Array.from({length: map.n}, (_, i) => i);
    const attributes = map.attributes.map((a) => ({...a, codes: a.codes && unpack(a.codes), numbers: a.numbers && unpack(a.numbers)}));
    const layouts = map.layouts.map((l) => ({...l, rows: unpack(l.rows) ?? rows.map((_, i) => i), x: unpack(l.x), y: unpack(l.y)}));
    const named = [...attributes].sort((a, b) => !a.texts - !b.texts); // names come first
    const value = (a, i) => a.texts ? a.texts[i] : a.codes ? (a.names[a.codes[i]] ?? "none") : Number.isNaN(a.numbers[i]) ? "none" : shown(a.numbers[i]);
    const said = (i) => [`${map.unit} ${rows[i]}`, ...named.map((a) => `${a.name}: ${value(a, i)}`)];

    const source = new Bokeh.ColumnDataSource({data: {x: [], y: [], colour: [], place: []}});
    const plot = figure({match_aspect: true, tools: "pan,wheel_zoom,box_zoom,reset,tap", toolbar_location: "right", min_border: 4});
    plot.below.concat(plot.left).forEach((axis) => { axis.visible = false; });
    plot.center.forEach((grid) => { if ("grid_line_color" in grid) grid.visible = false; });
    if (coarse) plot.toolbar.active_drag = null; // so that a finger scrolls the page
    plot.toolbar.active_scroll = null;
    const size = map.n > 5000 ? 4 : map.n > 1000 ? 5 : 8;
    const glyphs = plot.scatter({field: "x"}, {field: "y"}, {
      source, size, fill_color: {field: "colour"}, line_color: null, fill_alpha: map.n > 5000 ? 0.7 : 0.85,
      nonselection_fill_alpha: 0.35, selection_line_color: "#d62728", selection_line_width: 2,
    });
    // The words of a point are put together when it is pointed at, as text, not as markup.
    const lines = new Bokeh.CustomJSHover({code: "return ''"});
    lines.format = (place) => said(place).slice(0, 12).map((word) => word.slice(0, 120)).join(", ");
    plot.add_tools(new Bokeh.HoverTool({renderers: [glyphs], limit: 3, tooltips: [["", "@place{custom}"]], formatters: {"@place": lines}, point_policy: "snap_to_data", line_policy: "nearest"}));
    source.selected.change.connect(() => {
      const [first] = source.selected.indices;
      if (first !== undefined) at("picked").textContent = said(source.data.place[first]).join("; ");
    });

    let hidden = new Set(), colours = [];
    function fill() {
      const layout = layouts[at("layout").value], attribute = attributes[at("colour").value];
      const points = {x: [], y: [], colour: [], place: []};
      layout.rows.forEach((row, i) => {
        if (attribute?.codes && hidden.has(attribute.codes[row])) return;
        points.x.push(layout.x[i]); points.y.push(layout.y[i]);
        points.colour.push(colours[row]); points.place.push(row);
      });
      source.selected.indices = [];
      source.data = points;
    }
    function recolour() {
      const attribute = attributes[at("colour").value], legend = at("legend");
      hidden = new Set();
      legend.replaceChildren();
      if (!attribute) {
        colours = rows.map(() => PALETTE[0]);
      } else if (attribute.codes) {
        colours = attribute.codes.map((code) => colourOfClass(code, attribute.names.length));
        const counts = new Map();
        attribute.codes.forEach((code) => counts.set(code, (counts.get(code) ?? 0) + 1));
        const codes = [...counts.keys()].sort((a, b) => attribute.names.length > MOST ? counts.get(b) - counts.get(a) || a - b : (a < 0) - (b < 0) || a - b);
        for (const code of codes.slice(0, MOST)) {
          const button = element("button", {type: "button", "aria-pressed": "true"},
            element("span", {class: "swatch", style: `background:${colourOfClass(code, attribute.names.length)}`}),
            `${attribute.names[code] ?? "none"} (${counts.get(code)})`);
          button.addEventListener("click", () => {
            hidden.has(code) ? hidden.delete(code) : hidden.add(code);
            button.setAttribute("aria-pressed", String(!hidden.has(code)));
            fill();
          });
          legend.append(element("li", {}, button));
        }
        if (codes.length > MOST) legend.append(element("li", {}, `and ${codes.length - MOST} more, smaller ones`));
      } else {
        const known = attribute.numbers.filter((n) => !Number.isNaN(n)).sort((a, b) => a - b);
        // A few outliers would make all others one colour.
        const low = known[Math.floor(0.01 * known.length)] ?? 0, high = known[Math.ceil(0.99 * known.length) - 1] ?? 0;
        const share = (n) => high > low ? Math.min(1, Math.max(0, (n - low) / (high - low))) : 0.5;
        colours = attribute.numbers.map((n) => Number.isNaN(n) ? NONE : colourOnRamp(share(n)));
        legend.append(element("li", {}, `${shown(low)}${known[0] < low ? " or less" : ""}`,
          element("span", {class: "ramp", style: `background:linear-gradient(90deg,${RAMP.join()})`}),
          `${shown(high)}${known.at(-1) > high ? " or more" : ""}`));
        if (known.length < attribute.numbers.length) legend.append(entry(NONE, "none"));
      }
      fill();
    }
    attributes.forEach((a, i) => { if (!a.texts) at("colour").append(element("option", {value: i}, a.name)); });
    at("colour").append(element("option", {value: -1}, "one colour"));
    layouts.forEach((l, i) => at("layout").append(element("option", {value: i}, l.name)));
    at("layout").value = layouts.length - 1;
    at("colour").addEventListener("change", recolour);
    at("layout").addEventListener("change", () => { fill(); plot.reset.emit(); });
    at("reset").addEventListener("click", () => plot.reset.emit());
    recolour();
    Bokeh.Plotting.show(plot, at("map"));
  }

  function drawCurves() {
    const FRONT = 6, panels = data.curves;
    const seeds = panels.length ? panels[0].lines.map((line) => line.name) : [];
    const draw = (home) => (panel) => {
      const plot = figure({tools: ""});
      plot.below[0].axis_label = "epoch";
      panel.lines.forEach((line, i) => {
        const source = new Bokeh.ColumnDataSource({data: {x: line.x, y: line.y, name: line.x.map(() => line.name)}});
        const colour = colourOfClass(i, panel.lines.length);
        const glyph = plot.line({field: "x"}, {field: "y"}, {source, line_color: colour, line_width: 2});
        if (line.x.length < 60) plot.scatter({field: "x"}, {field: "y"}, {source, size: 4, color: colour});
        plot.add_tools(new Bokeh.HoverTool({renderers: [glyph], tooltips: [["", "@name, epoch @x: @y{0.[0000]}"]], mode: "vline"}));
      });
      const chart = element("div", {class: "chart", role: "img", "aria-label": `${panel.name} over the epochs`});
      home.append(element("div", {}, element("h3", {}, panel.name), chart));
      Bokeh.Plotting.show(plot, chart);
    };
    panels.slice(0, FRONT).forEach(draw(at("curves")));
    if (panels.length > FRONT) {
      const more = at("more");
      more.hidden = false;
      more.querySelector("summary").textContent = `${panels.length - FRONT} more curves`;
      // Only when it is open does a figure know its size.
      more.addEventListener("toggle", () => panels.slice(FRONT).forEach(draw(at("more-curves"))), {once: true});
    }
    seeds.forEach((name, i) => at("curve-legend").append(entry(colourOfClass(i, seeds.length), name)));
  }

  function drawPairs() {
    if (!data.pairs) { at("pairs").remove(); return; }
    const {edges, counts} = data.pairs, most = Math.max(...Object.values(counts).flat());
    const plot = figure({y_range: [0, 1.05 * most]});
    plot.below[0].axis_label = "cosine similarity";
    plot.left[0].axis_label = "density";
    const names = Object.keys(counts);
    names.forEach((name, i) => {
      const colour = names.length > 1 ? PALETTE[1 - i] : PALETTE[0];
      const source = new Bokeh.ColumnDataSource({data: {left: edges.slice(0, -1), right: edges.slice(1), top: counts[name], bottom: counts[name].map(() => 0)}});
      const bars = plot.quad({left: {field: "left"}, right: {field: "right"}, top: {field: "top"}, bottom: {field: "bottom"}, source, fill_color: colour, fill_alpha: 0.7, line_color: null});
      plot.add_tools(new Bokeh.HoverTool({renderers: [bars], tooltips: [["", `${name}: @left{0.00} to @right{0.00}, density @top{0.00}`]]}));
      at("pair-legend").append(entry(colour, name));
    });
    Bokeh.Plotting.show(plot, at("pairs"));
  }

  at("copy").addEventListener("click", async () => {
    const text = at("command").textContent;
    try {
      await navigator.clipboard.writeText(text);
      at("copy").textContent = "Copied";
    } catch {
      getSelection().selectAllChildren(at("command"));
      at("copy").textContent = "Selected";
    }
  });

  for (const draw of [drawMap, drawCurves, drawPairs]) {
    try { draw(); } catch (error) {
      console.error(error);
      document.querySelector("main").prepend(element("p", {class: "notice", role: "alert"}, `A figure could not be drawn: ${error.message}`));
    }
  }
})();
