/** The scenarios of a verifier: 200 right proofs, and one proof for each thing that can be wrong. */
import type { DPoPProver } from "hardproof";
import { check, type Peer, type Scenario, TheirFault } from "../scenario.js";
import { type ProofAlgorithm, type Provers, withProvers } from "./keys.js";
import { oddRequests } from "./odd-requests.js";
import { type Program, proofFor, type Question, verdicts } from "./verdicts.js";
import { REQUEST, WRONG_PROOFS, type Wrong } from "./wrong-proofs.js";

/** Software of others that verifies proofs. */
export interface Verifier {
  readonly title: string;
  readonly version: string;
  /** Installs it unless it is in the cache, and returns how our program for it is started. */
  readonly install: () => Promise<Program>;
  /** The algorithms that it has, ES256 first. */
  readonly algorithms: readonly ProofAlgorithm[];
  /** Right proofs that it rejects. */
  readonly limitation?: Limitation;
  /** Wrong proofs that it accepts, because it leaves these checks to its caller. */
  readonly unchecked?: readonly Wrong[];
  /** Wrong proofs that it accepts, against RFC 9449 §4.3. */
  readonly faults?: readonly Wrong[];
}

/** Right proofs that a verifier rejects for a reason of its own. */
export interface Limitation {
  /** Such as `a method that it doesn't know`. */
  readonly what: string;
  /** The section that allows such a request. Without one, the request is at fault. */
  readonly fault?: string;
  /** Whether it applies to a request. */
  readonly of: (request: Question) => boolean;
}

const COUNT = 200;

/** Returns the peer for a verifier. */
export function verifierPeer(verifier: Verifier): Peer {
  const { title, version, install } = verifier;
  return {
    title,
    kind: "verifier",
    install: () => install().then(() => version),
    run: (scenario) => run(verifier, scenario),
  };
}

async function run(verifier: Verifier, scenario: Scenario): Promise<void> {
  const program = await verifier.install();
  await withProvers(verifier.algorithms, async (provers) => {
    await scenario("200 proofs", `accepts the proofs of ${COUNT} odd requests`, () =>
      rightProofs(verifier, program, provers),
    );
    await scenario("wrong proofs", "rejects a proof for each thing that can be wrong", () =>
      wrongProofs(verifier, program, provers),
    );
  });
}

async function rightProofs({ algorithms, limitation }: Verifier, program: Program, { own }: Provers): Promise<string> {
  const questions = await Promise.all(
    oddRequests(COUNT).map((request, index) => proofFor(request, own[index % own.length] as DPoPProver, algorithms)),
  );
  const results = await verdicts(program, questions);
  let rejected = 0;
  for (const [index, { error }] of results.entries()) {
    const question = questions[index] as Question;
    const isExpected = limitation?.of(question) ?? false;
    check((error !== undefined) === isExpected, `${question.method} ${question.url}: ${error ?? "is accepted now"}`);
    if (isExpected) rejected += 1;
  }
  const names = algorithms.join(", ");
  if (limitation === undefined) return `${COUNT} accepted (${names})`;
  const seen = `${COUNT - rejected} accepted (${names}), ${rejected} rejected: ${limitation.what}`;
  if (limitation.fault !== undefined) throw new TheirFault(`${seen} (${limitation.fault})`);
  return seen;
}

async function wrongProofs(
  { unchecked = [], faults = [] }: Verifier,
  program: Program,
  { own: [prover], stranger }: Provers,
): Promise<string> {
  const names = Object.keys(WRONG_PROOFS) as Wrong[];
  const wrong = await Promise.all(names.map((name) => WRONG_PROOFS[name]({ prover, stranger })));
  const { htm: method, htu: url, ...expected } = REQUEST;
  const proofs = [await prover.makeProof(REQUEST), ...wrong];
  const questions = proofs.map((proof) => ({ proof, method, url, ...expected }));
  const [right, ...results] = await verdicts(program, questions);
  check(right?.error === undefined, `The right proof is rejected: ${right?.error}`);
  for (const [index, { error }] of results.entries()) {
    const name = names[index] as Wrong;
    const isAccepted = [...unchecked, ...faults].includes(name);
    check((error === undefined) === isAccepted, `${name}: ${error ?? "is accepted"}`);
  }
  const count = names.length - unchecked.length - faults.length;
  const seen = `${count} rejected${unchecked.length > 0 ? `, not checked: ${unchecked.join(", ")}` : ""}`;
  if (faults.length > 0) throw new TheirFault(`${seen}, accepted: ${faults.join(", ")} (RFC 9449 §4.3)`);
  return seen;
}
