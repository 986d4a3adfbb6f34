/** A program that verifies proofs: it reads a JSON object per line, and writes one. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { text } from "node:stream/consumers";
import type { DPoPProver } from "hardproof";
import { encodeUrl } from "../../../src/dpop/encode-url.js";
import type { OddRequest } from "./odd-requests.js";

/** A line for the program: a proof, and the request as its server receives it. */
export interface Question {
  readonly proof: string;
  readonly method: string;
  /** As an HTTP client sends it: with its query, without its fragment. */
  readonly url: string;
  readonly accessToken?: string | undefined;
  /** The nonce that the server requires. */
  readonly nonce?: string | undefined;
}

/** A line of the program: the error as the verifier words it, or an empty object if it accepts the proof. */
export interface Verdict {
  readonly error?: string;
}

/** How a program is started. */
export interface Program {
  readonly program: string;
  readonly args: readonly string[];
}

const LIMIT = 120_000; // milliseconds

/**
 * Runs the program once.
 *
 * @returns A verdict for each question.
 * @throws {Error} With the end of its output, if it fails, or doesn't end in time.
 */
export async function verdicts({ program, args }: Program, questions: readonly Question[]): Promise<Verdict[]> {
  const child = spawn(program, args, { timeout: LIMIT, killSignal: "SIGKILL" });
  child.stdin.on("error", () => undefined); // The exit code says more.
  child.stdin.end(questions.map((question) => `${JSON.stringify(question)}\n`).join(""));
  const [output, errors, [code]] = await Promise.all([text(child.stdout), text(child.stderr), once(child, "exit")]);
  const lines = output.split("\n").filter((line) => line !== "");
  if (code !== 0 || lines.length !== questions.length)
    throw new Error(`${program} answered ${lines.length} of ${questions.length} lines:\n${errors.slice(-2_000)}`);
  return lines.map((line) => JSON.parse(line));
}

/**
 * Signs the proof of a request.
 *
 * @param supportedAlgorithms - As the server would list them.
 * @returns The proof, with the method and the URL as `dpopFetch` sends them.
 */
export async function proofFor(
  { method, url, accessToken, nonce }: OddRequest,
  prover: DPoPProver,
  supportedAlgorithms?: readonly string[],
): Promise<Question> {
  const proof = await prover.makeProof({ htm: method, htu: url, accessToken, nonce, supportedAlgorithms });
  const sent = encodeUrl(new URL(url));
  sent.hash = "";
  return { proof, method: new Request(sent, { method }).method, url: sent.href, accessToken, nonce };
}
