/** What can be measured, each without the others. */
import type { Row } from "./row.js";
import type { Scale } from "./turns.js";

/** Makes the contenders, lets them take turns, and compares them. */
interface Subject {
  measure(scale: Scale): Promise<Row[]>;
}

/** By name. */
export const SUBJECTS: Readonly<Record<string, () => Promise<Subject>>> = {
  memory: () => import("./subjects/memory.js"),
  softhsm: () => import("./subjects/softhsm.js"),
  "native-key": () => import("./subjects/native-key.js"),
  socket: () => import("./subjects/socket.js"),
  bindings: () => import("./subjects/bindings.js"),
  signers: () => import("./subjects/signers.js"),
  "aws-kms": () => import("./subjects/aws-kms.js"),
  "gcp-kms": () => import("./subjects/gcp-kms.js"),
  fetch: () => import("./subjects/fetch.js"),
  import: () => import("./subjects/import.js"),
  show: () => import("./subjects/show.js"),
  loop: () => import("./subjects/loop.js"),
  replicas: () => import("./subjects/replicas.js"),
  tpm: () => import("./subjects/tpm.js"),
  growth: () => import("./subjects/growth.js"),
};

/** They take longer than `--quick` may. */
export const SLOW: readonly string[] = ["replicas", "tpm", "growth"];
