/** Where a secret is read from. */

/** The name of an environment variable, or the path of a file (a line break at its end is not part of the secret). */
export type SecretSource = { readonly env: string } | { readonly file: string };
