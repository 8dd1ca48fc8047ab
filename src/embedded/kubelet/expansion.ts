/**
 * Replaces `$(NAME)` by the variable's value, as the kubelet does in commands, arguments and
 * values. An unknown name stays unchanged, and `$$(NAME)` yields the text `$(NAME)`.
 */
export function expandVariables(text: string, variables: ReadonlyMap<string, string>): string {
  return text.replace(/\$(\$|\(([^()]*)\))/g, (match, kind: string, name: string | undefined) => {
    if (kind === '$') return '$';
    return variables.get(name ?? '') ?? match;
  });
}
