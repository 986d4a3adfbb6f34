/** A program that signs only with a key in memory. */
import { memory, run, token } from "./checks.mjs";

run({ memory, token });
