/**
 * For tests of applications that sign with Hardproof, published as `hardproof/testing`: servers and key stores that are
 * started by one call, can be told what to do wrong, and record what they were asked.
 *
 * @module
 */
export { type Call, type Fault, FaultPlan } from "./emulators/fault-plan.js";
export type { Proof } from "./server/check-proof.js";
export type { TestServerFault, TestServerOperation, TestServerRequest } from "./server/recorder.js";
export { type TestServer, type TestServerOptions, testServer } from "./server/test-server.js";
