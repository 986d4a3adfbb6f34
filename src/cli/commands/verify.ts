/** `hardproof verify`: explains a DPoP proof and reports what is wrong with it. */
import type { Command } from "commander";
import { verifyProof } from "../../index.js";
import { type Context, newCommand, positiveNumber } from "../context.js";
import { EXIT } from "../exit-codes.js";
import { type ClockOption, withClockOption } from "../proof-options.js";
import { readStdin } from "../stdin.js";
import { readToken, type TokenOptions, withTokenOptions } from "../token-options.js";

interface VerifyOptions extends TokenOptions, ClockOption {
  method?: string;
  url?: string;
  nonce?: string;
  jkt?: string;
  maxAge: number;
}

/** Seconds. */
const DEFAULT_MAX_AGE = 300;

/** Returns the command `verify`. */
export function verify(context: Context): Command {
  const { io, output } = context;
  const command = newCommand("verify", "explain every claim of a DPoP proof, and report what is wrong with it")
    .argument("<proof>", "the proof, or - for standard input")
    .option("--method <method>", "expected method of the request")
    .option("--url <url>", "expected URL of the request")
    .option("--nonce <nonce>", "expected nonce")
    .option("--jkt <thumbprint>", "thumbprint of the key that the token is bound to (cnf.jkt)")
    .option("--max-age <seconds>", "maximum age of the proof", positiveNumber("--max-age"), DEFAULT_MAX_AGE);
  return withClockOption(withTokenOptions(command)).action(async (argument: string, options: VerifyOptions) => {
    const proof = argument === "-" ? await readStdin(io) : argument;
    const accessToken = await readToken(options, io);
    const { clockOffset = 0, ...expected } = options;
    const now = Date.now() / 1000 + clockOffset;
    const { findings } = await verifyProof(proof.trim(), { ...expected, accessToken, now });
    const valid = findings.every(({ ok }) => ok !== false);
    output.document({ valid, findings });
    for (const finding of findings) output.finding(finding);
    output.line();
    output.line(valid ? validMessage(options, accessToken) : "The proof is not valid.", "bold");
    context.exitCode = valid ? EXIT.ok : EXIT.failed;
  });
}

/** Names the expected values that were not passed. The nonce isn't one of them: not every server uses nonces. */
function validMessage({ method, url, jkt }: VerifyOptions, token: string | undefined): string {
  const expected = Object.entries({ method, URL: url, token, key: jkt });
  const missing = expected.flatMap(([name, value]) => (value === undefined ? [name] : []));
  if (missing.length === 0) return "The proof is valid.";
  return `The proof is valid as far as it was checked. Not compared: ${missing.join(", ")}.`;
}
