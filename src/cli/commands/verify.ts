/** `hardproof verify`: what a DPoP proof says, and what is wrong with it. */
import type { Command } from "commander";
import { verifyProof } from "../../index.js";
import { type Context, newCommand, positive } from "../context.js";
import { EXIT } from "../exit-codes.js";
import { readStdin } from "../secrets.js";
import { readToken, type TokenOptions, withTokenOptions } from "../token-options.js";

interface VerifyOptions extends TokenOptions {
  method?: string;
  url?: string;
  nonce?: string;
  jkt?: string;
  maxAge: number;
}

const MOST_AGE = 300;

export function verify(context: Context): Command {
  const { world, output } = context;
  const command = newCommand("verify", "explain every claim of a DPoP proof, and what is wrong with it")
    .argument("<proof>", "the proof, or - for standard input")
    .option("--method <method>", "the request's method")
    .option("--url <url>", "the request's URL")
    .option("--nonce <nonce>", "the nonce that the server wants")
    .option("--jkt <thumbprint>", "the key that the token is bound to (cnf.jkt)")
    .option("--max-age <seconds>", "how old a proof may be", positive("--max-age"), MOST_AGE);
  return withTokenOptions(command).action(async (given: string, options: VerifyOptions) => {
    const proof = given === "-" ? await readStdin(world) : given;
    const accessToken = await readToken(options, world);
    const { findings } = await verifyProof(proof.trim(), { ...options, accessToken, now: Date.now() / 1000 });
    const valid = findings.every(({ ok }) => ok !== false);
    output.document({ valid, findings });
    for (const finding of findings) output.finding(finding);
    output.line();
    output.line(valid ? nothingWrong(options, accessToken) : "This proof is to be refused.", "bold");
    context.exitCode = valid ? EXIT.ok : EXIT.failed;
  });
}

/** What there is nothing to compare with may be wrong all the same. A nonce is not every server's. */
function nothingWrong({ method, url, jkt }: VerifyOptions, token: string | undefined): string {
  const given = Object.entries({ method, URL: url, token, key: jkt });
  const left = given.flatMap(([name, value]) => (value === undefined ? [name] : []));
  if (left.length === 0) return "Nothing is wrong with this proof.";
  return `Nothing that was compared is wrong. Not compared: ${left.join(", ")}.`;
}
