// How each run ended, what was found about it, and the command that trains it again.

import { button, element, plural } from "#dom";
import { endings } from "#columns";

const SHOWN = 30;

export function findingsView(data) {
  const counts = element("ul", {});
  const list = element("div", {});
  const more = element("p", {});
  const node = element("div", {}, counts, list, more);
  let shown = SHOWN;
  const update = (view) => {
    const runs = view.lit.size ? view.runs.filter((run) => view.lit.has(run)) : view.runs;
    const order = [...runs].sort((one, other) => severity(data, other) - severity(data, one) || one - other);
    counts.replaceChildren(...countsOf(data, runs));
    const open = new Set([...list.querySelectorAll("details[open]")].map((each) => each.dataset.run));
    list.replaceChildren(...order.slice(0, shown).map((run) => runDetails(data, view, run, open.has(String(run)))));
    more.replaceChildren(
      ...(order.length > shown
        ? [
            button(`Show ${order.length - shown} more`, () => {
              shown = order.length;
              update(view);
            }),
          ]
        : []),
    );
  };
  return { node, update };
}

/** Those that did not finish first, then those with most to say. */
function severity(data, run) {
  return (endings(data, [run]) ? 1000 : 0) + (data.runs.findings[run]?.length ?? 0);
}

function countsOf(data, runs) {
  const found = new Map();
  for (const run of runs)
    for (const [title] of data.runs.findings[run] ?? []) found.set(title, (found.get(title) ?? 0) + 1);
  const warnings = new Map(
    runs.flatMap((run) => data.runs.data_warnings[run]).map((warning) => [warning.join(), warning]),
  );
  const warned = [...warnings.values()].map(([title, sentence]) =>
    element("li", {}, element("b", {}, `Data: ${title}`), `. ${sentence}`),
  );
  return [...found]
    .sort((one, other) => other[1] - one[1])
    .map(([title, count]) => element("li", {}, element("b", {}, title), `: ${count} of ${plural(runs.length, "run")}`))
    .concat(warned);
}

function runDetails(data, view, run, open) {
  const { runs } = data;
  const findings = runs.findings[run];
  const values = view.settings.map(({ column }) => `${column.short}=${column.texts[column.values[run]]}`);
  const how = endings(data, [run]) || "learned";
  const seconds = runs.seconds[run] === null ? [] : [`${Math.round(runs.seconds[run])} s`];
  const facts = [
    `seed=${runs.seed[run].slice(0, 12)}`,
    ...seconds,
    ...(findings === null ? ["findings not read"] : findings.length ? findings.map(([title]) => title) : ["no finding"]),
    runs.id[run].slice(0, 12),
  ];
  return element(
    "details",
    { open, "data-run": run },
    element(
      "summary",
      {},
      `${values.join(", ") || runs.name[run]} `,
      element("span", { class: how === "learned" ? "tag" : "tag failed" }, how),
      " ",
      element("span", { class: "quiet" }, facts.join(" · ")),
    ),
    values.length ? element("p", { class: "quiet" }, runs.name[run]) : null,
    runs.failure[run]
      ? element("p", { class: "finding" }, element("b", {}, "Why it failed: "), runs.failure[run])
      : null,
    ...(findings ?? []).map(([title, sentence, repair]) =>
      element(
        "p",
        { class: "finding" },
        element("b", {}, title),
        `: ${sentence} `,
        repair ? element("code", {}, repair) : null,
      ),
    ),
    ...runs.data_warnings[run].map(([title, sentence]) =>
      element("p", { class: "finding" }, element("b", {}, `Data: ${title}`), `: ${sentence}`),
    ),
    element("pre", {}, element("code", {}, runs.command[run])),
  );
}
