/** Answers a SelfSubjectAccessReview: whoever has come this far may do everything. */
export function accessReview(review: Record<string, unknown>): object {
  return {
    kind: 'SelfSubjectAccessReview',
    apiVersion: 'authorization.k8s.io/v1',
    metadata: {},
    spec: review['spec'] ?? {},
    status: { allowed: true },
  };
}
