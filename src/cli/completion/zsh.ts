/** Completion for zsh 5.8 and later. */
import { shellWord } from "../shell-word.js";
import { SCHEMES, type Value, type VocabularyCommand, type VocabularyOption } from "./vocabulary.js";

/** Returns the script, which can be a file in `$fpath`, or be sourced. */
export function zshCompletion(commands: readonly VocabularyCommand[]): string {
  return `#compdef hardproof
# Completion of hardproof for zsh.
_hardproof_key() {
  compadd -S '' -- ${SCHEMES.join(" ")}
}
_hardproof() {
  local state line
  local -a commands
  commands=(
${commands.map(({ name, description }) => `    ${shellWord(`${name}:${description}`)}`).join("\n")}
  )
  _arguments -C '(- *)'{-h,--help}'[display help]' '(- *)'{-V,--version}'[print the version]' ': :->command' '*:: :->arguments'
  case $state in
  command) _describe command commands ;;
  arguments)
    case $words[1] in
${commands.map(commandCase).join("\n")}
    esac
    ;;
  esac
}
if [[ $funcstack[1] == _hardproof ]]; then
  _hardproof "$@"
else
  compdef _hardproof hardproof
fi
`;
}

function commandCase({ name, options, argument }: VocabularyCommand): string {
  const specs = [...options.map(optionSpec), shellWord(`*: :${action(argument)}`)];
  return `    ${name}) _arguments ${specs.map((spec) => `\\\n      ${spec}`).join(" ")} ;;`;
}

/** Any option may be repeated. The value of a long one may follow after `=`. */
function optionSpec({ names, description, value }: VocabularyOption): string {
  const values = value === undefined ? "" : `: :${action(value)}`;
  const spellings = value === undefined ? names : names.map((name) => (name.startsWith("--") ? `${name}=` : name));
  const spelling = spellings.length > 1 ? `{${spellings.join(",")}}` : spellings.join("");
  return `'*'${spelling}${shellWord(`[${description.replace(/[[\]\\]/g, "\\$&")}]${values}`)}`;
}

function action(value: Value): string {
  if (value === "file") return "_files";
  if (value === "uri") return "_hardproof_key";
  return value === "text" ? " " : `(${value.join(" ")})`;
}
