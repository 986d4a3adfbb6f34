/** One row of the results: a figure, its reference, and the target. */
import { median, percentile } from "./measure.js";

/** The value that a row should reach. */
export type Target = { atLeast: number } | { atMost: number } | { exactly: number };
/** The unit of a value. */
export type Unit = "×" | "%" | "ms" | "MB" | "calls";

interface Comparison {
  /** What is measured. */
  name: string;
  /** What it is compared with. */
  reference: string;
  target: Target;
  unit: Unit;
}

/** A comparison with its result. */
export interface Row extends Comparison {
  /** Median over all rounds. */
  value: number;
  /** 10th and 90th percentile over all rounds. */
  spread: readonly [number, number];
  met: boolean;
  /** The absolute figures behind the value: rates, sizes. */
  details: string;
}

/** A subject that can't be measured on this machine, for example because there is no C compiler. */
export interface NotMeasured {
  subject: string;
  notMeasured: string;
}

/** The result of one comparison, or the reason why a subject has none. */
export type Result = Row | NotMeasured;

/** @param values - One value per round. */
export function row(comparison: Comparison, values: number[], details: string): Row {
  const value = median(values);
  return {
    ...comparison,
    value,
    spread: [percentile(values, 10), percentile(values, 90)],
    met: meets(value, comparison.target),
    details,
  };
}

/** Formats the median of the rates. */
export function perSecond(rates: number[]): string {
  return `${Math.round(median(rates)).toLocaleString("en")}/s`;
}

/** Formats a target: `≥ 0.8 ×`. */
export function formatTarget(target: Target, unit: Unit): string {
  if ("atLeast" in target) return `≥ ${target.atLeast} ${unit}`;
  return "atMost" in target ? `≤ ${target.atMost} ${unit}` : `= ${target.exactly} ${unit}`;
}

/** Formats a value with its unit. */
export function formatValue(value: number, unit: Unit): string {
  return `${value.toFixed(unit === "×" ? 2 : unit === "calls" ? 0 : 1)} ${unit}`;
}

/** Returns ✓ if the target was met, ✗ if it was missed, – if nothing was measured. */
export function mark(result: Result): "✓" | "✗" | "–" {
  if ("notMeasured" in result) return "–";
  return result.met ? "✓" : "✗";
}

function meets(value: number, target: Target): boolean {
  if ("atLeast" in target) return value >= target.atLeast;
  return "atMost" in target ? value <= target.atMost : value === target.exactly;
}

/** Counts the targets that were met and missed. */
export function summary(results: Result[]): string {
  const count = (symbol: string) => results.filter((result) => mark(result) === symbol).length;
  return `${count("✓")} targets met, ${count("✗")} missed, ${count("–")} not measured`;
}
