/** One row of the results: a figure, what it stands beside, and its mark. */
import { median, percentile } from "./median.js";
import { medianCpu, medianRate, type Series } from "./turns.js";

/** The value that a row should reach. */
export type Mark = { atLeast: number } | { atMost: number } | { between: readonly [number, number] };
/** The unit of a value. */
export type Unit = "×" | "ms" | "MB";

/** What is measured. */
export interface Comparison {
  /** Unique together with `beside`. */
  work: string;
  /** What it is compared with. */
  beside: string;
  mark: Mark;
}

/** A comparison with its result. */
export interface Row extends Comparison {
  unit: Unit;
  outcome: "reached" | "missed" | "not measured";
  /** Median over all rounds. */
  value?: number;
  /** 10th and 90th percentile over all rounds. */
  spread?: readonly [number, number];
  /** The same ratio of the CPU times. Load on the machine affects it less. */
  cpu?: number;
  /** The absolute figures behind the value, or why it wasn't measured. */
  details: string;
}

/** @param values - One value for each round. */
export function row(comparison: Comparison, unit: Unit, values: readonly number[], details: string): Row {
  const value = median(values);
  if (Number.isNaN(value)) return notMeasured(comparison, unit, details || "It has no value.");
  const outcome = meets(value, comparison.mark) ? "reached" : "missed";
  return { ...comparison, unit, outcome, value, spread: [percentile(values, 10), percentile(values, 90)], details };
}

/** Returns the row of a comparison that can't be made, for example because there is no C compiler. */
export function notMeasured(comparison: Comparison, unit: Unit, why: string): Row {
  return { ...comparison, unit, outcome: "not measured", details: why };
}

/** Compares the rates within each round: other load in a round affects both sides. More than 1 is faster. */
export function rateRow(comparison: Comparison, ours: Series, other: Series): Row {
  return seriesRow(comparison, ours, other, (a, b) => a / b);
}

/** Compares the times of one call. More than 1 is slower. */
export function timeRow(comparison: Comparison, ours: Series, other: Series): Row {
  return seriesRow(comparison, ours, other, (a, b) => b / a);
}

/** A contender of ours that fails misses the mark. Without the other one, nothing can be compared. */
function seriesRow(
  comparison: Comparison,
  ours: Series,
  other: Series,
  compare: (a: number, b: number) => number,
): Row {
  if (ours.failure !== undefined) return { ...comparison, unit: "×", outcome: "missed", details: ours.failure };
  if (other.failure !== undefined) return notMeasured(comparison, "×", other.failure);
  const ratios = ours.turns.map(({ rate }, round) => compare(rate, other.turns[round]?.rate ?? Number.NaN));
  const cpu = compare(1 / medianCpu(ours), 1 / medianCpu(other));
  return { ...row(comparison, "×", ratios, `${figuresOf(ours)} beside ${figuresOf(other)}`), cpu };
}

/** Formats the medians: `8,300/s (117 µs CPU)`. */
export function figuresOf(series: Series): string {
  const rate = medianRate(series);
  const perSecond = rate < 100 ? rate.toFixed(1) : Math.round(rate).toLocaleString("en");
  return `${perSecond}/s (${Math.round(medianCpu(series)).toLocaleString("en")} µs CPU)`;
}

/** Formats a mark: `≥ 0.8 ×`. */
export function formatMark(mark: Mark, unit: Unit): string {
  if ("atLeast" in mark) return `≥ ${mark.atLeast} ${unit}`;
  return "atMost" in mark ? `≤ ${mark.atMost} ${unit}` : `${mark.between.join(" to ")} ${unit}`;
}

/** Formats a value with its unit. */
export function formatValue(value: number, unit: Unit): string {
  return `${value.toFixed(unit === "×" ? 2 : 1)} ${unit}`;
}

/** Returns ✓, ✗ or –. */
export function symbol({ outcome }: Pick<Row, "outcome">): "✓" | "✗" | "–" {
  return ({ reached: "✓", missed: "✗", "not measured": "–" } as const)[outcome];
}

/** Counts the marks. */
export function summary(rows: readonly Row[]): string {
  const count = (outcome: Row["outcome"]) => rows.filter((one) => one.outcome === outcome).length;
  return `${count("reached")} marks reached, ${count("missed")} missed, ${count("not measured")} not measured`;
}

function meets(value: number, mark: Mark): boolean {
  if ("atLeast" in mark) return value >= mark.atLeast;
  if ("atMost" in mark) return value <= mark.atMost;
  return value >= mark.between[0] && value <= mark.between[1];
}
