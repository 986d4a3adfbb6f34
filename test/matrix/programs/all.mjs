/** A program that signs with keys of every kind. */
import * as checks from "./checks.mjs";

checks.run(checks);
