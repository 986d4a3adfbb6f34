/** Text as one word of a shell's command line, for bash, zsh and sh. */

/** Quotes the text, so that the shell doesn't interpret any of its characters. */
export function shellWord(text: string): string {
  return `'${text.replaceAll("'", "'\\''")}'`;
}
