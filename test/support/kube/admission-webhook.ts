import { createServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { text } from 'node:stream/consumers';

import { AdmissionregistrationV1Api, type KubeConfig } from '@kubernetes/client-node';

import { createCertificates } from '../../../src/embedded/server/certificates.ts';

/** The response to the creation of a pod: operations of a JSON patch, or the words of a refusal. */
export type Verdict = { readonly patch: readonly object[] } | { readonly refusal: string };

/** A webhook of this machine that admits the pods of one namespace, and may change them. */
export interface AdmissionWebhook extends AsyncDisposable {
  /** Set before a pod is created. */
  verdict: Verdict;
}

/** Registers a webhook. The API server of the cluster has to run on this machine. */
export async function admissionWebhook(kubeConfig: KubeConfig, namespace: string): Promise<AdmissionWebhook> {
  const api = kubeConfig.makeApiClient(AdmissionregistrationV1Api);
  const { authority, server: identity } = createCertificates(new Date());
  let verdict: Verdict = { patch: [] };
  const server = createServer({ cert: identity.certificate, key: identity.privateKey }, (request, response) => {
    void text(request).then((body) => {
      const { request: review } = JSON.parse(body) as { request: { uid: string } };
      const answer = {
        apiVersion: 'admission.k8s.io/v1',
        kind: 'AdmissionReview',
        response: answerOf(review.uid, verdict),
      };
      response.setHeader('content-type', 'application/json').end(JSON.stringify(answer));
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const name = `${namespace}.kubernetes-worker.test`;
  await api.createMutatingWebhookConfiguration({
    body: {
      metadata: { name },
      webhooks: [
        {
          name,
          admissionReviewVersions: ['v1'],
          sideEffects: 'None',
          failurePolicy: 'Fail',
          namespaceSelector: { matchLabels: { 'kubernetes.io/metadata.name': namespace } },
          rules: [{ apiGroups: [''], apiVersions: ['v1'], operations: ['CREATE'], resources: ['pods'] }],
          clientConfig: {
            url: `https://127.0.0.1:${String((server.address() as AddressInfo).port)}/`,
            caBundle: Buffer.from(authority).toString('base64'),
          },
        },
      ],
    },
  });
  return {
    get verdict() {
      return verdict;
    },
    set verdict(next) {
      verdict = next;
    },
    [Symbol.asyncDispose]: async () => {
      await api.deleteMutatingWebhookConfiguration({ name });
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

function answerOf(uid: string, verdict: Verdict): object {
  if ('refusal' in verdict) return { uid, allowed: false, status: { message: verdict.refusal } };
  const patch = Buffer.from(JSON.stringify(verdict.patch)).toString('base64');
  return { uid, allowed: true, patchType: 'JSONPatch', patch };
}
