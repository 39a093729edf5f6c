import type { Command, Option } from 'commander';
import { UsageError } from './exit.ts';

export const shells = ['bash', 'zsh', 'fish'] as const;
export type Shell = (typeof shells)[number];

/** A command of the tree: how one gets there, and what may stand behind it. */
interface Place {
  /** The names down to it, a space before each; empty for the program. */
  readonly path: string;
  readonly commands: readonly Command[];
  readonly options: readonly Option[];
}

function placesOf(command: Command, path = ''): readonly Place[] {
  const { commands, options } = command;
  return [{ path, commands, options }, ...commands.flatMap((one) => placesOf(one, `${path} ${one.name()}`))];
}

const namesOf = ({ short, long }: Option): readonly string[] => [short, long].filter((name) => name !== undefined);
const takesValue = ({ required, optional }: Option): boolean => required || optional;
const quoted = (text: string): string => `'${text.replaceAll("'", `'\\''`)}'`;

/** What completes the words of this program in a shell, made from its commands and options. */
export function completionScript(ace: Command, shell: Shell): string {
  const places = placesOf(ace);
  if (shell === 'fish') return fishScript(ace, places);
  return shell === 'bash' ? bashScript(ace, places) : zshScript(ace, places);
}

/** `ace-coap completion` */
export function completionCommand(ace: Command, shell: string): void {
  const known = shells.find((one) => one === shell);
  if (known === undefined) throw new UsageError(`expected one of ${shells.join(', ')}, got ${JSON.stringify(shell)}`);
  process.stdout.write(completionScript(ace, known));
}

function bashScript(ace: Command, places: readonly Place[]): string {
  const paths = places.filter(({ path }) => path !== '').map(({ path }) => `      ${quoted(path)}) path="$path $word" ;;`);
  const values = places.flatMap(({ path, options }) =>
    options.filter(takesValue).flatMap((option) => {
      const reply = option.argChoices === undefined ? 'return' : `COMPREPLY=($(compgen -W ${quoted(option.argChoices.join(' '))} -- "$word")); return`;
      return `    ${namesOf(option)
        .map((name) => quoted(`${path}|${name}`))
        .join('|')}) ${reply} ;;`;
    }),
  );
  const words = places.map(({ path, commands, options }) => {
    const all = [...commands.map((command) => command.name()), ...options.flatMap(namesOf), '--help'];
    return `    ${quoted(path)}) words=${quoted(all.join(' '))} ;;`;
  });
  return `# Completion of ${ace.name()} for bash: eval "$(${ace.name()} completion bash)"
_ace_coap() {
  local path='' words='' word i
  COMPREPLY=()
  for ((i = 1; i < COMP_CWORD; i++)); do
    word="\${COMP_WORDS[i]}"
    case "$path $word" in
${paths.join('\n')}
    esac
  done
  word="\${COMP_WORDS[COMP_CWORD]}"
  case "$path|\${COMP_WORDS[COMP_CWORD - 1]}" in
${values.join('\n')}
  esac
  case "$path" in
${words.join('\n')}
  esac
  COMPREPLY=($(compgen -W "$words" -- "$word"))
}
complete -o default -F _ace_coap ${ace.name()} ace
`;
}

/** By what zsh has for bash's scripts. A file of `fpath` is run at the first Tab, which it has to answer as well. */
function zshScript(ace: Command, places: readonly Place[]): string {
  return `#compdef ${ace.name()} ace
autoload -U +X bashcompinit && bashcompinit
${bashScript(ace, places)}if [[ "\${funcstack[1]}" = _${ace.name()} ]]; then _bash_complete -o default -F _ace_coap; fi
`;
}

function fishScript(ace: Command, places: readonly Place[]): string {
  const names = [ace.name(), 'ace'];
  const known = places.filter(({ path }) => path !== '').map(({ path }) => quoted(path));
  const lines = places.flatMap(({ path, commands, options }) => {
    const here = `-n "__ace_coap_at '${path}'"`;
    return names.flatMap((name) => [
      ...commands.map((command) => `complete -c ${name} -f ${here} -a ${command.name()} -d ${quoted(command.description())}`),
      ...options.map((option) => {
        const long = option.long === undefined ? '' : ` -l ${option.long.slice(2)}`;
        const short = option.short === undefined ? '' : ` -s ${option.short.slice(1)}`;
        const value = takesValue(option) ? ` -r${option.argChoices === undefined ? '' : ` -f -a ${quoted(option.argChoices.join(' '))}`}` : '';
        return `complete -c ${name} ${here}${short}${long}${value} -d ${quoted(option.description)}`;
      }),
    ]);
  });
  return `# Completion of ${ace.name()} for fish: ${ace.name()} completion fish | source
function __ace_coap_at
  set -l path ''
  for word in (commandline -opc)[2..-1]
    if contains -- "$path $word" ${known.join(' ')}
      set path "$path $word"
    end
  end
  test "$path" = "$argv[1]"
end
${lines.join('\n')}
`;
}
