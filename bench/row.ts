/** One row of the table: a figure of ours beside its peer or its limit, and the mark where it must stand. */
import { median, percentile } from "./measure.js";

export type Mark = { atLeast: number } | { atMost: number } | { exactly: number };
export type Unit = "×" | "%" | "ms" | "MB" | "calls";

interface Question {
  what: string;
  against: string;
  mark: Mark;
  unit: Unit;
}

export interface Row extends Question {
  /** Median of all rounds. */
  value: number;
  /** 10th and 90th percentile of the rounds. */
  spread: readonly [number, number];
  met: boolean;
  /** What it was taken from, in words: rates, sizes, the concurrency that was best. */
  from: string;
}

/** A subject whose ground is not there: no token to be had, no compiler. */
export interface NotMeasured {
  subject: string;
  notMeasured: string;
}

export type Answer = Row | NotMeasured;

/** @param values - one for each round */
export function row(question: Question, values: number[], from: string): Row {
  const value = median(values);
  return {
    ...question,
    value,
    spread: [percentile(values, 10), percentile(values, 90)],
    met: meets(value, question.mark),
    from,
  };
}

export function perSecond(rates: number[]): string {
  return `${Math.round(median(rates)).toLocaleString("en")}/s`;
}

export function formatMark(mark: Mark, unit: Unit): string {
  if ("atLeast" in mark) return `≥ ${mark.atLeast} ${unit}`;
  return "atMost" in mark ? `≤ ${mark.atMost} ${unit}` : `= ${mark.exactly} ${unit}`;
}

export function formatValue(value: number, unit: Unit): string {
  return `${value.toFixed(unit === "×" ? 2 : unit === "calls" ? 0 : 1)} ${unit}`;
}

export function sign(answer: Answer): "✓" | "✗" | "–" {
  if ("notMeasured" in answer) return "–";
  return answer.met ? "✓" : "✗";
}

function meets(value: number, mark: Mark): boolean {
  if ("atLeast" in mark) return value >= mark.atLeast;
  return "atMost" in mark ? value <= mark.atMost : value === mark.exactly;
}

export function summary(answers: Answer[]): string {
  const count = (wanted: string) => answers.filter((answer) => sign(answer) === wanted).length;
  return `${count("✓")} marks met, ${count("✗")} missed, ${count("–")} not measured`;
}
