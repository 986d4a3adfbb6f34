/** The results on the terminal. */
import { NOISY } from "./machine.js";
import { highestLoad, type Run } from "./results.js";
import { formatMark, formatValue, type Row, symbol } from "./row.js";

/** Returns the lines of one row. */
export function lines(row: Row): string {
  const { work, beside, mark, unit, outcome, value, spread, cpu, details } = row;
  const title = `  ${symbol(row)} ${outcome}: ${[work, beside].filter(Boolean).join(" | beside: ")}`;
  if (value === undefined || spread === undefined) return `${title}\n      ${details}`;
  const range = spread.map((end) => formatValue(end, unit)).join(" to ");
  const ofCpu = cpu === undefined ? "" : `, CPU ${formatValue(cpu, unit)}`;
  return `${title}\n      ${formatValue(value, unit)}${ofCpu}, mark ${formatMark(mark, unit)} (${range}): ${details}`;
}

/** Describes a run in one line. A noisy one says so. */
export function heading(run: Run): string {
  const { cpu, cores, system, node, openssl, commit, date } = run.machine;
  const load = highestLoad(run);
  return [
    `Node ${node}, OpenSSL ${openssl}; ${cpu}, ${cores} cores, ${system}`,
    `${commit}, ${date}${run.quick ? ", --quick" : ""}, ${run.seconds} s`,
    `load ${load.toFixed(1)}${load > NOISY ? " (noisy: don't rely on these figures)" : ""}`,
  ].join("; ");
}
