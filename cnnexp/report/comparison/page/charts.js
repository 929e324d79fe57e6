// Plotly, unpacked once; charts in the page's colours, with their descriptions and downloads.

import { button, download, element, mayDownload } from "#dom";

// Okabe & Ito's colours, distinguishable with red-green colour blindness too; lighter ones of the same hues on dark
const SERIES = ["#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#7f7f7f", "#8c564b"];
const SERIES_ON_DARK = ["#4aa3df", "#f0864a", "#35c49a", "#e29cc4", "#f2c14e", "#a8dcff", "#a5acb4", "#c79081"];

/** Unpack the library that the page carries; sets window.Plotly. */
export async function loadPlotly() {
  const packed = Uint8Array.from(atob(document.getElementById("plotly").textContent), (c) => c.charCodeAt(0));
  const stream = new Blob([packed]).stream().pipeThrough(new DecompressionStream("gzip"));
  const script = element("script");
  script.textContent = await new Response(stream).text();
  document.head.append(script);
  if (window.Plotly === undefined) throw new Error("the chart library did not start");
}

/** The page's colours, which follow the reader's theme; `series` tells rows apart, `lit` is what is lit up. */
export function theme() {
  const style = getComputedStyle(document.documentElement);
  const color = (name) => style.getPropertyValue(`--${name}`).trim();
  const names = ["ink", "quiet", "line", "ground", "card", "well", "best", "good", "bad", "mind", "first", "second"];
  const isDark = parseInt(color("ground").slice(1, 3), 16) < 128;
  const series = isDark ? SERIES_ON_DARK : SERIES;
  return {
    ...Object.fromEntries(names.map((name) => [name, color(name)])),
    series,
    low: series[1],
    high: series[0],
    lit: series[1],
  };
}

/** A color of the form #rrggbb with an opacity. */
export function faded(color, opacity) {
  const channels = [1, 3, 5].map((start) => parseInt(color.slice(start, start + 2), 16));
  return `rgba(${channels.join(",")},${opacity})`;
}

function baseLayout(colors) {
  const axis = {
    gridcolor: colors.line,
    zerolinecolor: colors.line,
    linecolor: colors.quiet,
    exponentformat: "e",
    tickfont: { color: colors.quiet },
  };
  return {
    paper_bgcolor: "rgba(0,0,0,0)",
    plot_bgcolor: "rgba(0,0,0,0)",
    font: { family: getComputedStyle(document.body).fontFamily, size: 12, color: colors.ink },
    margin: { l: 66, r: 16, t: 12, b: 48 },
    xaxis: axis,
    yaxis: axis,
    hoverlabel: {
      namelength: -1,
      bgcolor: colors.card,
      bordercolor: colors.line,
      font: { color: colors.ink, family: getComputedStyle(document.body).fontFamily },
    },
    showlegend: false,
    dragmode: false,
  };
}

function merged(base, own) {
  const result = { ...base };
  for (const [key, value] of Object.entries(own ?? {})) {
    const nested = value !== null && typeof value === "object" && !Array.isArray(value);
    result[key] = nested ? merged(base[key] ?? {}, value) : value;
  }
  return result;
}

/** Axes as Plotly takes them: their titles, and room for ticks that are words; measuring numbers would cost a frame. */
function withAxes(layout, colors) {
  for (const axis of [layout.xaxis, layout.yaxis]) {
    if (typeof axis.title === "string")
      axis.title = { text: axis.title, standoff: 8, font: { size: 12, color: colors.quiet } };
    axis.automargin = axis.ticktext !== undefined;
    axis.ticklabeloverflow = "allow";
  }
  return layout;
}

/**
 * Call a function whose WebGL contexts are not antialiased. Plotly always asks for it, which without a graphics card
 * takes as long as the lines themselves; twice the pixels of the screen are as smooth.
 */
function withoutAntialiasing(call) {
  const { getContext } = HTMLCanvasElement.prototype;
  HTMLCanvasElement.prototype.getContext = function (kind, attributes) {
    return getContext.call(this, kind, attributes && { ...attributes, antialias: false });
  };
  try {
    call();
  } finally {
    HTMLCanvasElement.prototype.getContext = getContext;
  }
}

/**
 * A chart with its controls, description and downloads.
 *
 * `draw(view, colors)` returns {traces, layout, config, label, rows, key}, or a sentence where there is nothing to show:
 * `label` says in words what the chart shows, `rows` are its numbers as objects, `note` is what a reader should know,
 * `key` is [color, text, sign] of what colours and symbols mean; without a sign, a line.
 */
export class Chart {
  constructor(name, { draw, height = 340, listen = () => {}, minimum = 0 }) {
    Object.assign(this, { name, draw, height, listen });
    this.plot = element("div", {
      class: "plot",
      role: "img",
      style: `height:${height}px${minimum ? `;min-width:calc(${minimum} * var(--axis))` : ""}`, // of so many axes
    });
    this.empty = element("p", { class: "quiet", hidden: true });
    this.note = element("p", { class: "quiet" });
    const offers = [
      ["png", () => this.savePicture()],
      ["csv", () => download(`${name}.csv`, asCsv(this.shown.rows), "text/csv")],
      ["json", () => download(`${name}.json`, JSON.stringify(this.shown.rows, null, 1), "application/json")],
    ].map(([kind, save]) => button(kind, save, { "aria-label": `download ${name} as ${kind}` }));
    this.offers = element("div", { class: "offers" }, ...(mayDownload() ? offers : []));
    this.key = element("div", { class: "key" });
    this.node = element(
      "div",
      { class: "figure" },
      element("div", { class: "scroll" }, this.plot),
      this.empty,
      this.note,
      this.key,
      this.offers,
    );
  }

  /** Draw what is to be shown now. */
  update(view) {
    if (window.Plotly === undefined) return;
    const colors = theme();
    const figure = this.draw(view, colors);
    const drawn = typeof figure !== "string";
    this.plot.parentElement.hidden = this.offers.hidden = this.key.hidden = !drawn;
    this.empty.hidden = drawn;
    if (!drawn) {
      this.empty.textContent = figure;
      return;
    }
    this.shown = figure;
    this.plot.setAttribute("aria-label", figure.label);
    this.note.textContent = figure.note ?? "";
    this.key.replaceChildren(
      ...(figure.key ?? []).map(([color, text, sign]) =>
        element(
          "span",
          {},
          sign
            ? element("b", { class: "sign", style: `color:${color}` }, sign)
            : element("i", { style: `background:${color}` }),
          text,
        ),
      ),
    );
    const layout = withAxes(merged(merged(baseLayout(colors), { height: this.height }), figure.layout), colors);
    const config = { responsive: true, displayModeBar: false, doubleClick: false, ...figure.config };
    withoutAntialiasing(() => window.Plotly.react(this.plot, figure.traces, layout, config));
    if (!this.isListening) this.listen(this.plot);
    this.isListening = true;
  }

  async savePicture() {
    const size = { width: this.plot.clientWidth, height: this.plot.clientHeight };
    const layout = { ...this.plot.layout, paper_bgcolor: theme().card, showlegend: this.shown.key !== undefined };
    const address = await window.Plotly.toImage({ data: this.plot.data, layout }, { format: "png", scale: 2, ...size });
    const response = await fetch(address);
    download(`${this.name}.png`, await response.blob());
  }
}

/** Update charts in steps, so that a frame may come after each. */
export function* oneByOne(charts, view) {
  for (const chart of charts) {
    chart.update(view);
    yield;
  }
}

const FORMULA = /^[=+\-@\t\r\n＝＋－＠]/; // a spreadsheet would run it: cnnexp/system/text.py in the browser
const NUMBER = /^[+-]?[\d.]+(e[+-]?\d+)?$/i;

export function asCsv(rows) {
  const columns = [...new Set(rows.flatMap((row) => Object.keys(row)))];
  const cell = (value) => {
    const text = value === null || value === undefined ? "" : String(value);
    const safe = typeof value === "string" && FORMULA.test(text) && !NUMBER.test(text) ? `'${text}` : text;
    return /[",\r\n]/.test(safe) ? `"${safe.replaceAll('"', '""')}"` : safe;
  };
  return (
    [columns, ...rows.map((row) => columns.map((column) => row[column]))]
      .map((line) => line.map(cell).join(","))
      .join("\n") + "\n"
  );
}

/** Plotly reads a few tags in texts. */
export function escaped(text) {
  return text.replaceAll("&", "&amp;").replaceAll("<", "&lt;");
}

const LONGEST = 22; // letters of a tick

/** A level as a tick: short, and as it is written. */
export function tick(text, longest = LONGEST) {
  return escaped(text.length > longest ? `${text.slice(0, longest - 6)}…${text.slice(-5)}` : text);
}

/** A tick for each level of a setting, at its number or its place. */
export function levelTicks(column, place = (value) => value) {
  const at = column.levels.map((level, index) => [column.numeric ? place(Number(level)) : index, column.texts[index]]);
  const known = at.filter(([value]) => !Number.isNaN(value)); // a run without the setting has no number
  return { tickvals: known.map(([value]) => value), ticktext: known.map(([, text]) => tick(text)) };
}

/** The axis of a setting or a metric: numbers, by logarithm where they span decades, or the levels by name. */
export function axisOf(column, values, title) {
  if ("levels" in column && !column.numeric) {
    return {
      title,
      tickvals: column.levels.map((_, index) => index),
      ticktext: column.texts.map((text) => tick(text)),
      range: [-0.5, column.levels.length - 0.5],
    };
  }
  const known = values.filter((value) => value !== null);
  const isLog =
    known.length > 1 && Math.min(...known) > 0 && Math.max(...known) / Math.min(...known) >= 8 && "levels" in column;
  const few = "levels" in column && column.levels.length <= 8;
  const ticks = few ? levelTicks(column) : {};
  const range = "levels" in column && known.length ? { range: spread(known, isLog) } : {};
  return { title, type: isLog ? "log" : "linear", ...ticks, ...range };
}

/** From the lowest to the highest value with some room, as Plotly has it: by logarithm for a log axis. */
function spread(known, isLog) {
  const [low, high] = [Math.min(...known), Math.max(...known)].map((value) => (isLog ? Math.log10(value) : value));
  const room = 0.06 * (high - low) || 0.5;
  return [low - room, high + room];
}
