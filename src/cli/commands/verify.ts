/** `hardproof verify`: explains a DPoP proof and reports what is wrong with it. */
import type { Command } from "commander";
import { verifyProof } from "../../index.js";
import { type Context, newCommand, positiveNumber } from "../context.js";
import { EXIT, UsageError } from "../exit-codes.js";
import type { Io } from "../io.js";
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

/** A SHA-256 hash in base64url, whose last character has only four bits. */
const THUMBPRINT = /^[\w-]{42}[AEIMQUYcgkosw048]$/;
const NOT_A_FILE = "The argument must be the proof, not the path of a file. Pass - to read it from standard input.";

/** Returns the command `verify`. */
export function verify(context: Context): Command {
  const { io, output } = context;
  const command = newCommand("verify", "explain every claim of a DPoP proof, and report what is wrong with it")
    .argument("<proof>", "the proof, or - for standard input")
    .option("--method <method>", "expected method of the request")
    .option("--url <url>", "expected URL of the request")
    .option("--nonce <nonce>", "expected nonce")
    .option("--jkt <thumbprint>", "thumbprint of the key that the token is bound to (cnf.jkt)", thumbprint)
    .option("--max-age <seconds>", "maximum age of the proof", positiveNumber("--max-age"), DEFAULT_MAX_AGE);
  return withClockOption(withTokenOptions(command)).action(async (argument: string, options: VerifyOptions) => {
    const proof = argument === "-" ? await readProof(io) : argument;
    const accessToken = await readToken(options, io);
    const { clockOffset = 0, ...expected } = options;
    const now = Date.now() / 1000 + clockOffset;
    const { findings } = await verifyProof(proof.trim(), { ...expected, accessToken, now });
    const valid = findings.every(({ ok }) => ok !== false);
    output.document({ valid, findings });
    for (const finding of findings) output.finding(finding);
    if (findings.some(({ check }) => check === "format") && argument !== "-") output.note(NOT_A_FILE);
    output.line();
    output.line(valid ? validMessage(options, accessToken) : "The proof is not valid.", "bold");
    context.exitCode = valid ? EXIT.ok : EXIT.failed;
  });
}

async function readProof(io: Io): Promise<string> {
  const proof = await readStdin(io);
  if (proof.trim() !== "") return proof;
  throw new UsageError("The proof: standard input is empty.");
}

function thumbprint(value: string): string {
  if (THUMBPRINT.test(value)) return value;
  throw new UsageError("--jkt must be a SHA-256 thumbprint of 43 characters, as hardproof show --only jkt prints it.");
}

/** Names the expected values that were not passed. The nonce isn't one of them: not every server uses nonces. */
function validMessage({ method, url, jkt }: VerifyOptions, token: string | undefined): string {
  const expected = Object.entries({ method, URL: url, token, key: jkt });
  const missing = expected.flatMap(([name, value]) => (value === undefined ? [name] : []));
  if (missing.length === 0) return "The proof is valid.";
  return `The proof is valid as far as it was checked. Not compared: ${missing.join(", ")}.`;
}
