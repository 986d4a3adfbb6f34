/** Completion for bash 4.4 and later. */
import { type VocabularyCommand, wordsOf } from "./vocabulary.js";

/**
 * Returns the script. `:` and `=` end a word of bash's line editor, so the word to complete may be a part of a URI, or the
 * value of `--option=value`.
 */
export function bashCompletion(commands: readonly VocabularyCommand[]): string {
  return `# Completion of hardproof for bash.
_hardproof() {
  local word=\${COMP_WORDS[COMP_CWORD]} previous=\${COMP_WORDS[COMP_CWORD - 1]} command=
  ((COMP_CWORD > 1)) && command=\${COMP_WORDS[1]}
  COMPREPLY=()
  [[ $previous == ":" || $word == ":" ]] && return
  if [[ $word == "=" ]]; then
    word=
  elif [[ $previous == "=" ]]; then
    previous=\${COMP_WORDS[COMP_CWORD - 2]}
  fi
  local words= options= arguments=
  case "$command $previous" in
${commands.flatMap(valueCases).join("\n")}
  esac
  if [[ -z $words ]]; then
    case "$command" in
${commands.map(commandCase).join("\n")}
    *) arguments=${quote([...commands.map(({ name }) => name), "help"])} options="--help --version" ;;
    esac
    words=\${arguments:-$options}
    [[ $word == -* ]] && words=$options
  fi
  mapfile -t COMPREPLY < <(compgen -W "$words" -- "$word")
  [[ \${COMPREPLY[0]-} == *: ]] && compopt -o nospace
}
complete -F _hardproof hardproof
`;
}

/** The values of the options of a command. Those of a file are completed by bash, any other text isn't. */
function valueCases({ name, options }: VocabularyCommand): string[] {
  return options.flatMap(({ names, value }) => {
    if (value === undefined) return [];
    const pattern = names.map((option) => `"${name} ${option}"`).join(" | ");
    if (value === "file") return [`  ${pattern}) compopt -o default; return ;;`];
    return [value === "text" ? `  ${pattern}) return ;;` : `  ${pattern}) words=${quote(wordsOf(value))} ;;`];
  });
}

function commandCase({ name, options, argument }: VocabularyCommand): string {
  const names = options.flatMap((option) => option.names);
  return `    ${name}) arguments=${quote(wordsOf(argument))} options=${quote(names)} ;;`;
}

function quote(words: readonly string[]): string {
  return `"${words.join(" ")}"`;
}
