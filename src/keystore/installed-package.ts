/** Finds packages that are installed where the program runs. Bundlers don't see them, and can't include native addons. */
import { pathToFileURL } from "node:url";

/**
 * Returns the URLs of the files from which packages can be found: this file, and the program that was started. webpack
 * replaces `import.meta.url` with the file's URL on the machine that made the bundle, and esbuild with `undefined` in CommonJS.
 */
export function programUrls(): string[] {
  const program = process.argv[1];
  return [import.meta.url, program && pathToFileURL(program).href].flatMap((url) => url || []);
}

/** Returns the path that `name` resolves to, such as `graphene-pk11`. @throws {Error} With the message of `require`. */
export function resolveInstalled(name: string): string {
  const { createRequire } = process.getBuiltinModule("node:module");
  let failure: unknown;
  for (const url of programUrls())
    try {
      return createRequire(url).resolve(name);
    } catch (error) {
      failure ??= error;
    }
  throw failure;
}
