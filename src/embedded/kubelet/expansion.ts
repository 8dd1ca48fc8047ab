/**
 * Replaces `$(NAME)` by the variable's value as the kubelet does in commands, arguments and values: an unknown name stays as it is,
 * and `$$(NAME)` is the text `$(NAME)`.
 */
export function expandVariables(text: string, variables: ReadonlyMap<string, string>): string {
  return text.replace(/\$(\$|\(([^()]*)\))/g, (match, kind: string, name: string | undefined) => {
    if (kind === '$') return '$';
    return variables.get(name ?? '') ?? match;
  });
}
