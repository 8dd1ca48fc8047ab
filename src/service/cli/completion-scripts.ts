import type { CompletionNode } from './completion-tree.ts';

/** The shells, and how a script for each is made. Names and values have letters, digits and hyphens only. */
export const completionScripts: Readonly<Record<string, (nodes: readonly CompletionNode[]) => string>> = {
  bash: (nodes) => `# bash completion of kubernetes-worker: source <(kubernetes-worker completion bash)
_kubernetes_worker() {
  local current=\${COMP_WORDS[COMP_CWORD]} command='' i
  for ((i = 1; i < COMP_CWORD; i++)); do
    [[ \${COMP_WORDS[i]} == -- ]] && return
    case "$command \${COMP_WORDS[i]}" in
      ${valuedFlags(nodes)}) ((i++)); continue ;;
    esac
    case "$command/\${COMP_WORDS[i]}" in
${commandCases(nodes, '      ', `command=$command/\${COMP_WORDS[i]}`)}
    esac
  done
  COMPREPLY=()
  case "$command \${COMP_WORDS[COMP_CWORD - 1]}" in
${choiceCases(nodes, (values) => (values === '' ? 'return' : `COMPREPLY=($(compgen -W '${values}' -- "$current")); return`))}
  esac
  case "$command" in
${wordCases(nodes, (words) => `COMPREPLY=($(compgen -W '${words}' -- "$current"))`)}
  esac
}
complete -o default -F _kubernetes_worker kubernetes-worker
`,
  zsh: (nodes) => `#compdef kubernetes-worker
# zsh completion of kubernetes-worker: source <(kubernetes-worker completion zsh)
_kubernetes_worker() {
  local command='' i
  for ((i = 2; i < CURRENT; i++)); do
    [[ \${words[i]} == -- ]] && { _files; return }
    case "$command \${words[i]}" in
      ${valuedFlags(nodes)}) ((i++)); continue ;;
    esac
    case "$command/\${words[i]}" in
${commandCases(nodes, '      ', `command=$command/\${words[i]}`)}
    esac
  done
  case "$command \${words[CURRENT - 1]}" in
${choiceCases(nodes, (values) => (values === '' ? '_files; return' : `compadd -- ${values}; return`))}
  esac
  case "$command" in
${wordCases(nodes, (words) => `compadd -- ${words}`)}
  esac
}
compdef _kubernetes_worker kubernetes-worker
`,
  fish: (nodes) => `# fish completion of kubernetes-worker: kubernetes-worker completion fish | source
function __kubernetes_worker_at
    set -l command ''
    set -l is_value no
    for word in (commandline -opc)[2..]
        test "$word" = --; and return 1
        if test $is_value = yes
            set is_value no
            continue
        end
        switch "$command $word"
            case ${valuedFlags(nodes, ' ')}
                set is_value yes
                continue
        end
        switch "$command/$word"
${commandsOf(nodes)
  .map((path) => `            case '${path}'\n                set command '${path}'`)
  .join('\n')}
        end
    end
    test "$command" = "$argv[1]"
end
${nodes.flatMap(fishLines).join('\n')}
`,
};

function commandsOf(nodes: readonly CompletionNode[]): readonly string[] {
  return nodes.flatMap(({ path, subcommands }) => subcommands.map((name) => `${path}/${name}`));
}

/** Returns the patterns of the flags whose next word is a value, and so no command. */
function valuedFlags(nodes: readonly CompletionNode[], separator = ' | '): string {
  return nodes.flatMap(({ path, choices }) => choices.map(({ flag }) => `'${path} ${flag}'`)).join(separator);
}

function commandCases(nodes: readonly CompletionNode[], indent: string, action: string): string {
  return `${indent}${commandsOf(nodes).join(' | ')}) ${action} ;;`;
}

function choiceCases(nodes: readonly CompletionNode[], action: (values: string) => string): string {
  const all = nodes.flatMap(({ path, choices }) =>
    choices.map(({ flag, values }) => ({ pattern: `'${path} ${flag}'`, values: values.join(' ') })),
  );
  const free = all.filter(({ values }) => values === '').map(({ pattern }) => pattern);
  const fixed = all.filter(({ values }) => values !== '');
  return [
    ...fixed.map(({ pattern, values }) => `    ${pattern}) ${action(values)} ;;`),
    `    ${free.join(' | ')}) ${action('')} ;;`,
  ].join('\n');
}

function wordCases(nodes: readonly CompletionNode[], action: (words: string) => string): string {
  return nodes
    .map(({ path, words }) => `    '${path}') ${action(words.map(({ text }) => text).join(' '))} ;;`)
    .join('\n');
}

function fishLines({ path, words, choices }: CompletionNode): readonly string[] {
  const at = `complete -c kubernetes-worker -n '__kubernetes_worker_at "${path}"'`;
  return words.map(({ text, description }) => {
    const about = `-d '${description.replaceAll('\\', '\\\\').replaceAll("'", "\\'")}'`;
    if (!text.startsWith('-')) return `${at} -f -a ${text} ${about}`;
    const flag = text.startsWith('--') ? `-l ${text.slice(2)}` : `-s ${text.slice(1)}`;
    const choice = choices.find((each) => each.flag === text);
    if (choice === undefined) return `${at} ${flag} ${about}`;
    return `${at} ${flag} -r ${choice.values.length === 0 ? '' : `-f -a '${choice.values.join(' ')}' `}${about}`;
  });
}
