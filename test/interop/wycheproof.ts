/**
 * Compares Hardproof's verdict on each signature of Project Wycheproof with the project's own. A key store that returns
 * the signature stands behind a signer, so a signature passes through what every store's passes through: the import of
 * the public key, the conversion of DER, the range of r and s, and the verification.
 */
import { KeySigner, type KeySource, SignerError } from "hardproof";
import { algorithmNamed } from "hardproof/provider";
import { check, type Peer, type Scenario } from "./scenario.js";
import {
  COMMIT,
  downloadVectors,
  readVectors,
  VECTOR_FILES,
  type Vector,
  type VectorFile,
  type VectorGroup,
} from "./wycheproof-vectors.js";

/** Project Wycheproof. ML-DSA needs Node 24. */
export const wycheproof: Peer = {
  title: "Wycheproof",
  kind: "suite",
  async install() {
    for (const file of filesForThisNode()) await downloadVectors(file);
    return COMMIT.slice(0, 8);
  },
  async run(scenario) {
    for (const file of filesForThisNode()) await verdicts(scenario, file);
  },
};

function filesForThisNode(): readonly VectorFile[] {
  return VECTOR_FILES.filter(({ alg }) => {
    try {
      return algorithmNamed(alg);
    } catch {
      return false;
    }
  });
}

async function verdicts(scenario: Scenario, file: VectorFile): Promise<void> {
  const { name, alg, form } = file;
  await scenario("signatures", `${name}, ${alg}, ${form}`, async () => {
    const groups = await readVectors(file);
    const different = (await Promise.all(groups.map((group) => differing(file, group)))).flat();
    const words = different.map(({ tcId, comment, result }) => `${tcId} should be ${result} (${comment})`);
    check(different.length === 0, words.join(", "));
    const results = groups.flatMap(({ tests }) => tests).map(expected);
    const count = (result: Vector["result"]) => results.filter((each) => each === result).length;
    return `the same verdict on ${count("valid")} valid, ${count("invalid")} invalid, ${count("acceptable")} acceptable ones`;
  });
}

function bytes(hex: string): Buffer {
  return Buffer.from(hex, "hex");
}

/** A store whose key signs with what `current` returns. */
function store({ form }: VectorFile, { publicKeyDer }: VectorGroup, current: () => Vector): KeySource {
  return {
    provider: "wycheproof",
    uri: "wycheproof:key",
    open: () => ({
      publicKey: bytes(publicKeyDer),
      signMessage: () => ({ signature: bytes(current().sig), form }),
      describe: () => ({ protection: "unknown", exportable: "unknown", evidence: {} }),
      close: () => undefined,
    }),
  };
}

/** Returns the vectors of one public key whose verdict differs. */
async function differing(file: VectorFile, group: VectorGroup): Promise<Vector[]> {
  let current = group.tests[0] as Vector;
  await using signer = new KeySigner(
    store(file, group, () => current),
    { algorithm: file.alg },
  );
  const found: Vector[] = [];
  for (const vector of group.tests) {
    current = vector;
    const verdict = (await accepts(signer, vector)) ? "valid" : "invalid";
    if (![verdict, "acceptable"].includes(expected(vector))) found.push(vector);
  }
  return found;
}

/** A signature with a context isn't valid in a JWS, whose context is empty (RFC 9964). */
function expected({ ctx = "", result }: Vector): Vector["result"] {
  return ctx === "" ? result : "invalid";
}

/** The public key of some vectors has a wrong length, so that no signature can be its own. */
const REJECTIONS: readonly string[] = ["integrity", "wrong-key"];

async function accepts(signer: KeySigner, { msg }: Vector): Promise<boolean> {
  try {
    await signer.sign(bytes(msg));
    return true;
  } catch (error) {
    if (error instanceof SignerError && REJECTIONS.includes(error.code)) return false;
    throw error;
  }
}
