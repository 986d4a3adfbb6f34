/** The options of commands that make proofs. */
import type { Command } from "commander";
import { UsageError } from "./exit-codes.js";
import { type HtuMapping, parseHtuMapping } from "./htu-mapping.js";

/** The value of the option that {@link withClockOption} adds: seconds that this machine's clock is behind. */
export interface ClockOption {
  clockOffset?: number;
}

/** The values of the options that {@link withProofOptions} adds. */
export interface ProofOptions extends ClockOption {
  /** The option `htu` of the library. */
  htu?: HtuMapping;
}

/** Adds `--clock-offset` to a command. */
export function withClockOption(command: Command): Command {
  const description = "seconds to add to this machine's time, if its clock is wrong: 90 or -90";
  return command.option("--clock-offset <seconds>", description, parseSeconds);
}

/** Adds `--htu` and `--clock-offset` to a command. Pass the values to `OAuthClient` or `dpopFetch`, and to the prover. */
export function withProofOptions(command: Command): Command {
  const description = "sign TO where the requested URL begins with FROM, for a server behind a proxy (repeatable)";
  return withClockOption(command.option("--htu <FROM=TO>", description, parseHtuMapping));
}

function parseSeconds(value: string): number {
  if (/^[+-]?\d{1,9}$/.test(value)) return Number(value);
  throw new UsageError("--clock-offset must be a whole number of seconds: 90 or -90.");
}
