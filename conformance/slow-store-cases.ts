/** The case about a slow store: whatever is waited for, the event loop is free, and `timeout` is kept. */
import { ok } from "node:assert/strict";
import { expectError } from "./checks.js";
import { type Case, type Fixture, testCaseWith } from "./fixture.js";

/** Milliseconds. */
const TIMEOUT = 250;
/** Milliseconds: most of both is for a busy machine. */
const LONGEST_STOP = 800;
const LATEST = 700;

/** Returns the case about a slow store. */
export function slowStoreCases(fixture: Fixture): Case[] {
  const name = "opening, describing, recovering, making and listing keys leave the event loop free and keep `timeout`";
  return [testCaseWith(fixture, ["slow", fixture.slow], name, keepsTimeouts)];
}

async function keepsTimeouts(calls: NonNullable<Exclude<Fixture["slow"], string>>): Promise<void> {
  for (const [name, call] of Object.entries(calls)) {
    const start = performance.now();
    const stop = watchEventLoop();
    const timeUp = when(TIMEOUT);
    await expectError(call({ timeout: TIMEOUT }), "timeout", `${name} on a slow store`);
    const longest = stop();
    const took = performance.now() - start;
    const late = performance.now() - (await timeUp);
    // A stopped event loop also delays the timeout, so it is reported first.
    ok(longest < LONGEST_STOP, `${name} must leave the event loop free; it stopped it for ${Math.round(longest)} ms.`);
    ok(late < LATEST, `${name} must end within its timeout of ${TIMEOUT} ms; it took ${Math.round(took)} ms.`);
  }
}

/** Resolves with the time at which a timer fires, which is late on a busy machine. */
function when(milliseconds: number): Promise<number> {
  return new Promise((resolve) => setTimeout(() => resolve(performance.now()), milliseconds));
}

/** Returns a function that ends the watch and returns the longest time (ms) between two turns of the event loop. */
function watchEventLoop(): () => number {
  let [longest, last] = [0, performance.now()];
  const turn = () => {
    longest = Math.max(longest, performance.now() - last);
    last = performance.now();
  };
  const timer = setInterval(turn, 5);
  return () => {
    clearInterval(timer);
    turn();
    return longest;
  };
}
