// The page: reads its document, keeps one state, and tells every view when it changes.

import { loadPlotly } from "#charts";
import { controls } from "#filters";
import { readData } from "#data";
import { element } from "#dom";
import { curvesView } from "#curves";
import { findingsView } from "#findings";
import { heatmapView } from "#heatmap";
import { historyChart, isSearch, searchView } from "#history";
import { importanceChart } from "#importance";
import { pairsView } from "#pairs";
import { parallelChart } from "#parallel";
import { picturesView } from "#pictures";
import { scatterView } from "#scatter";
import { shareView } from "#share";
import { slicesView } from "#slices";
import { fromHash, State, toHash } from "#state";
import { tableView } from "#table";
import { verdictView } from "#verdict";
import { viewer } from "#view";

const data = readData(JSON.parse(document.getElementById("data").textContent));
const state = new State(fromHash(location.hash));
const viewOf = viewer(data);
const parts = []; // of the page: {view, section, isVisible, isStale}
let now = null;
let isDrawing = false;

/** Put a view into its section of the page, instead of what stands there for readers without scripts. */
function mount(id, view) {
  const place = document.getElementById(id);
  const section = place.closest("section");
  const part = { view, isVisible: false, isStale: true };
  place.replaceChildren(view.node);
  section.hidden = false;
  parts.push(part);
  new IntersectionObserver(
    (entries) => {
      part.isVisible = entries.at(-1).isIntersecting;
      drawNext();
    },
    { rootMargin: "300px" },
  ).observe(section);
}

const verdict = verdictView(data);
mount("controls", controls(data, state));
mount("table", tableView(data, state));
mount("parallel", parallelChart(data, state));
if (Object.keys(data.curves).length) mount("curves", curvesView(data, state));
mount("scatter", scatterView(data, state));
if (data.settings.length > 1) mount("heatmap", heatmapView(data, state));
if (data.importance.length) mount("importance", importanceChart(data));
if (data.answers) mount("pairs", pairsView(data, state));
if (data.answers?.parts.length) mount("slices", slicesView(data));
if (data.answers) mount("pictures", picturesView(data, state));
mount("history", historyChart(data, state));
if (isSearch(data)) mount("search", searchView(data));
mount("findings", findingsView(data));
mount("share", shareView(data));

/** The verdict at once; all else when a reader sees it, one part a frame, so that no brush waits for the whole page. */
function show() {
  now = viewOf(state.values);
  document.documentElement.removeAttribute("data-settled"); // set when all that is seen is drawn
  verdict.update(now);
  for (const part of parts) part.isStale = true;
  drawNext();
}

function drawNext() {
  if (isDrawing || now === null) return;
  isDrawing = true;
  requestAnimationFrame(() => {
    isDrawing = false;
    const part = parts.find(({ isStale, isVisible }) => isStale && isVisible);
    document.documentElement.toggleAttribute("data-settled", part === undefined);
    if (part === undefined) return;
    draw(part);
    drawNext();
  });
}

function draw(part) {
  part.isStale = false;
  part.view.update(now);
}

state.subscribe(() => {
  show();
  if (location.protocol !== "about:")
    history.replaceState(null, "", toHash(state.values) || location.pathname + location.search);
});
show();

matchMedia("(prefers-color-scheme: dark)").addEventListener("change", show);
addEventListener("beforeprint", () => {
  document.documentElement.dataset.printed = ""; // paper is light, and has every part
  for (const part of parts) draw(part);
});
addEventListener("afterprint", () => {
  delete document.documentElement.dataset.printed;
  show();
});

loadPlotly().then(
  () => {
    document.documentElement.dataset.ready = "";
    show();
  },
  (error) => {
    for (const plot of document.querySelectorAll(".plot"))
      plot.replaceChildren(element("p", {}, `Charts cannot be drawn here: ${error.message}.`));
  },
);

// The page of a running sweep asks its server whether a run has begun or ended, and then loads itself again; the address
// keeps what is chosen.
if (data.running !== null && location.protocol === "http:") {
  setInterval(async () => {
    try {
      const version = await (await fetch("/version")).text();
      if (version !== data.running.version) location.reload();
    } catch {
      // the server has ended: what is shown stays
    }
  }, 3000);
}
