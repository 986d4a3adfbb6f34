/** Once before all tests: SoftHSM is here or gets installed, so that no test file has to wait for that. */
import { ensureSoftHsm } from "../softhsm/index.js";

export async function setup(): Promise<void> {
  await ensureSoftHsm({ log: console.log });
}
