/** The option `--extra`: parameters that the command doesn't have an option for, such as `prompt` or `acr_values`. */
import { UsageError } from "./exit-codes.js";

/** The values of a parameter, by its name. */
export type ExtraParameters = Readonly<Record<string, readonly string[]>>;

/** Parses `name=value`, and adds it to those before. A name can be repeated. */
export function parseExtra(text: string, previous: ExtraParameters = {}): ExtraParameters {
  const [, name, value] = /^([^=\s]+)=(.*)$/s.exec(text) ?? [];
  if (name === undefined || value === undefined) throw new UsageError("--extra must be name=value.");
  return { ...previous, [name]: [...(Object.hasOwn(previous, name) ? (previous[name] ?? []) : []), value] };
}
