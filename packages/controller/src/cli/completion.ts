// A bash completion script made from the command tree itself, so that it can never miss a command. Pure.
import type { Command } from 'commander';

interface Entry {
  /** Words after the program's name: 'host check'. */
  readonly path: string;
  readonly words: readonly string[];
}

export function renderBashCompletion(program: Command): string {
  const name = program.name();
  const entries = entriesOf(program, '');
  const paths = entries.flatMap(({ path }) => (path === '' ? [] : [`'${path}'`]));
  const cases = entries.map(({ path, words }) => `    '${path}') words='${words.join(' ')}' ;;`);
  return `# bash completion of ${name}; use it with: source <(${name} completion bash)
_${name}() {
  local path='' words='' candidate i
  for ((i = 1; i < COMP_CWORD; i++)); do
    candidate="\${path:+$path }\${COMP_WORDS[i]}"
    case "$candidate" in
      ${paths.join(' | ')}) path=$candidate ;;
    esac
  done
  case "$path" in
${cases.join('\n')}
  esac
  COMPREPLY=($(compgen -W "$words" -- "\${COMP_WORDS[COMP_CWORD]}"))
}
complete -o default -F _${name} ${name}
`;
}

function entriesOf(command: Command, path: string): readonly Entry[] {
  const words = [
    ...command.commands.map((child) => child.name()),
    ...command.options.map((option) => option.long ?? option.flags),
  ];
  return [
    { path, words },
    ...command.commands.flatMap((child) => entriesOf(child, `${path} ${child.name()}`.trim())),
  ];
}
