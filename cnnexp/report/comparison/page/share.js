// What a reader takes along: a link to this view, the command line for the same runs, the table as a file.

import { asCsv } from "#charts";
import { button, download, element, mayDownload } from "#dom";
import { toHash } from "#state";

export function shareView(data) {
  const command = element("code", {});
  const link = element("code", {});
  const linkLine = element("p", {}, "A link that opens this page with the filters and marks that it has now: ", link);
  const files = element(
    "p",
    {},
    "The runs shown: ",
    button("csv", () => download("runs.csv", asCsv(rowsOf(last)), "text/csv")),
    " ",
    button("json", () => download("runs.json", JSON.stringify(rowsOf(last), null, 1), "application/json")),
  );
  const isAlone = location.protocol !== "about:"; // not in the frame of MLflow's viewer, which has no address
  const best = element("code", {});
  const typed = element("code", {});
  const who = element("p", { class: "quiet" });
  const again = element(
    "div",
    {},
    element(
      "p",
      {},
      "The command that repeats the best of them on validation from its record, and compares the numbers:",
    ),
    element("pre", {}, best),
    copy(best),
    who,
    element("p", {}, "Without that record, from all of its settings:"),
    element("pre", {}, typed),
    copy(typed),
  );
  const node = element(
    "div",
    {},
    again,
    element("p", {}, "The command line that compares the same runs:"),
    element("pre", {}, command),
    copy(command),
    ...(isAlone ? [linkLine, copy(link)] : []),
    ...(mayDownload() ? [files] : []),
  );
  let last = null;
  const update = (view) => {
    last = view;
    command.textContent = commandOf(view);
    again.hidden = !view.comparison?.objective;
    if (!again.hidden) {
      const run = view.comparison.rows[0].bestRun;
      const words = ["cnnexp", "rerun", data.runs.id[run].slice(0, 12), data.store];
      best.textContent = words.filter(Boolean).map(quoted).join(" ");
      typed.textContent = data.runs.command[run];
    }
    who.textContent = again.hidden ? "" : whoIs(view);
    if (isAlone) link.textContent = location.href.split("#")[0] + toHash(view.state);
  };
  return { node, update };
}

/** The run behind the id in the command, and where the command works. */
function whoIs({ data, settings, comparison }) {
  const run = comparison.rows[0].bestRun;
  const values = [...settings.map(({ column }) => `${column.short}=${column.texts[column.values[run]]}`)];
  const seed = data.runs.seed[run].slice(0, 12);
  const where = data.store ? " tracking.uri is as on the machine where this page was made." : "";
  return `${data.runs.id[run].slice(0, 12)} is ${data.runs.name[run]}: ${[...values, `seed=${seed}`].join(", ")}.${where}`;
}

function copy(source) {
  const copied = button("Copy", async () => {
    try {
      await navigator.clipboard.writeText(source.textContent);
      copied.textContent = "Copied";
    } catch {
      getSelection().selectAllChildren(source); // a frame may not write: the reader can, with one key
      copied.textContent = "Selected";
    }
    setTimeout(() => (copied.textContent = "Copy"), 1500);
  });
  return copied;
}

/** The command for the runs that are left: the sweep's own where that is all of them. */
function commandOf({ data, state, runs, isWhole }) {
  const words = [
    "cnnexp",
    "compare",
    ...(isWhole ? data.targets : runs.map((run) => data.runs.id[run].slice(0, 12))),
    data.store,
  ];
  const metric = state.metric ?? data.metric;
  const by = state.by ?? data.by;
  if (metric !== "test/accuracy") words.push("--metric", metric);
  if (by.length) words.push("--by", by.join(","));
  return words.filter(Boolean).map(quoted).join(" ");
}

function quoted(word) {
  return /^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", `'"'"'`)}'`;
}

function rowsOf({ data, runs }) {
  return runs.map((run) => ({
    run: data.runs.id[run],
    name: data.runs.name[run],
    ended: data.runs.status[run] === "finished" ? data.runs.learned_nothing[run] || "learned" : data.runs.status[run],
    seed: data.runs.seed[run],
    ...Object.fromEntries(data.settings.map((setting) => [setting.name, setting.levels[setting.values[run]]])),
    ...Object.fromEntries(data.metrics.map((metric) => [metric.name, metric.values[run]])),
  }));
}
