import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { existsSync, mkdirSync, openSync, readFileSync, writeFileSync } from 'node:fs';
import { Agent, get } from 'node:https';
import { join } from 'node:path';
import { eventually, exitOf } from '../../support/child.ts';

/** Where `kube build` puts them; see the README beside it. */
const { KUBE_CACHE = '/var/cache/kube-harness' } = process.env;
const PROGRAMS = join(KUBE_CACHE, 'bin');

const ETCD = 'http://127.0.0.1:12379';
const ETCD_PEERS = 'http://127.0.0.1:12380';
const PORT = 16443;
const UP_LIMIT_MS = 120_000;

/** Ours, of which the server's audit log tells which request is whose. */
export const USERS = ['orchestrator', 'bench', 'controllers', 'scheduler'] as const;
export type User = (typeof USERS)[number];

/** What the server logs of a request. */
export interface AuditedRequest {
  readonly user: string;
  readonly verb: string;
  readonly resource: string;
}

/**
 * A real API server with etcd, the controllers of Deployments and the scheduler, but no node: whoever
 * uses it plays the kubelets. Everybody may do everything. All of it listens on loopback, in a network
 * of its own.
 */
export class ControlPlane {
  readonly #directory: string;
  readonly #children: ChildProcess[] = [];
  #auditedLines = 0;

  private constructor(directory: string) {
    this.#directory = directory;
  }

  /** @param serviceRange of the addresses of Services, as 10.0.0.0/16 */
  static async start(directory: string, serviceRange: string): Promise<ControlPlane> {
    for (const program of ['kube-apiserver', 'kube-controller-manager', 'kube-scheduler']) {
      if (existsSync(join(PROGRAMS, program))) continue;
      throw new Error(`expected ${program} in ${PROGRAMS}: run ../shared/kube/kube build first`);
    }
    const plane = new ControlPlane(directory);
    try {
      await plane.#start(serviceRange);
    } catch (error) {
      await plane.stop();
      throw error;
    }
    return plane;
  }

  kubeconfigOf(user: User): string {
    return join(this.#directory, `${user}.kubeconfig`);
  }

  /** As `bench`. Throws what it said unless it succeeds. */
  kubectl(...words: readonly string[]): void {
    const kubeconfig = `--kubeconfig=${this.kubeconfigOf('bench')}`;
    execFileSync(join(PROGRAMS, 'kubectl'), [kubeconfig, ...words], { stdio: 'pipe' });
  }

  async stop(): Promise<void> {
    for (const child of this.#children) child.kill('SIGKILL');
    await Promise.all(this.#children.map((child) => exitOf(child)));
  }

  /** Requests that were answered since the last time, watches when they ended. */
  takeAudit(): AuditedRequest[] {
    const lines = readFileSync(join(this.#directory, 'audit.log'), 'utf8').split('\n');
    const whole = lines.slice(0, -1);
    const fresh = whole.slice(this.#auditedLines);
    this.#auditedLines = whole.length;
    return fresh.map((line) => {
      const { user, verb, objectRef = {} } = JSON.parse(line) as AuditLine;
      const { resource = '', subresource } = objectRef;
      return {
        ...{ user: user.username, verb },
        resource: subresource === undefined ? resource : `${resource}/${subresource}`,
      };
    });
  }

  /** The server's own count of all requests, whoever sent them. */
  async requestTotal(): Promise<number> {
    const text = await this.#read('/metrics');
    const counts = text.matchAll(/^apiserver_request_total\{.*\} (\S+)$/gm);
    return [...counts].reduce((sum, [, count]) => sum + Number(count), 0);
  }

  async #start(serviceRange: string): Promise<void> {
    mkdirSync(this.#directory, { recursive: true });
    const key = this.#path('sa.key');
    execFileSync('openssl', ['genrsa', '-out', key, '2048'], { stdio: 'ignore' });
    const tokens = USERS.map((user) => `token-of-${user},${user},${user},system:masters`);
    writeFileSync(this.#path('tokens.csv'), `${tokens.join('\n')}\n`);
    for (const user of USERS) writeFileSync(this.kubeconfigOf(user), kubeconfig(user));
    writeFileSync(this.#path('audit.yaml'), AUDIT_POLICY);
    this.#spawn('etcd', 'etcd', [
      ...['--data-dir', this.#path('etcd'), '--unsafe-no-fsync'],
      ...['--listen-client-urls', ETCD, '--advertise-client-urls', ETCD],
      ...['--listen-peer-urls', ETCD_PEERS, '--initial-advertise-peer-urls', ETCD_PEERS],
      ...['--initial-cluster', `default=${ETCD_PEERS}`],
    ]);
    this.#spawn('apiserver', join(PROGRAMS, 'kube-apiserver'), [
      ...[`--etcd-servers=${ETCD}`, '--bind-address=127.0.0.1', `--secure-port=${PORT}`],
      ...['--advertise-address=198.18.99.1', '--endpoint-reconciler-type=none'],
      ...[`--cert-dir=${this.#path('certificates')}`, `--service-cluster-ip-range=${serviceRange}`],
      ...['--authorization-mode=AlwaysAllow', `--token-auth-file=${this.#path('tokens.csv')}`],
      ...['--disable-admission-plugins=ServiceAccount,TaintNodesByCondition'],
      ...['--service-account-issuer=https://kubernetes.default.svc.cluster.local'],
      ...[`--service-account-key-file=${key}`, `--service-account-signing-key-file=${key}`],
      ...[`--audit-policy-file=${this.#path('audit.yaml')}`],
      ...[`--audit-log-path=${this.#path('audit.log')}`, '--audit-log-maxsize=4096'],
    ]);
    await eventually('the API server answers', () => this.#read('/readyz'), {
      withinMs: UP_LIMIT_MS,
    });
    const fast = ['--leader-elect=false', '--kube-api-qps=1000', '--kube-api-burst=2000'];
    this.#spawn('controllers', join(PROGRAMS, 'kube-controller-manager'), [
      ...[`--kubeconfig=${this.kubeconfigOf('controllers')}`, ...fast],
      '--controllers=deployment,replicaset,garbagecollector,namespace',
    ]);
    this.#spawn('scheduler', join(PROGRAMS, 'kube-scheduler'), [
      ...[`--kubeconfig=${this.kubeconfigOf('scheduler')}`, ...fast],
    ]);
  }

  #path(name: string): string {
    return join(this.#directory, name);
  }

  #spawn(name: string, program: string, words: readonly string[]): void {
    const log = openSync(this.#path(`${name}.log`), 'w');
    this.#children.push(spawn(program, words, { stdio: ['ignore', log, log] }));
  }

  /** Errors: another status than 200. */
  #read(path: string): Promise<string> {
    const options = {
      agent: new Agent({ rejectUnauthorized: false }),
      headers: { authorization: 'Bearer token-of-bench' },
    };
    return new Promise((resolve, reject) => {
      const asked = get(`https://127.0.0.1:${PORT}${path}`, options, (response) => {
        response.toArray().then((chunks) => {
          const text = Buffer.concat(chunks as Buffer[]).toString();
          if (response.statusCode === 200) resolve(text);
          else reject(new Error(`${path}: HTTP status ${response.statusCode}: ${text}`));
        }, reject);
      });
      asked.on('error', reject);
    });
  }
}

interface AuditLine {
  readonly user: { readonly username: string };
  readonly verb: string;
  readonly objectRef?: { readonly resource?: string; readonly subresource?: string };
}

const AUDIT_POLICY = `apiVersion: audit.k8s.io/v1
kind: Policy
omitStages: [RequestReceived, ResponseStarted]
rules:
- level: Metadata
`;

function kubeconfig(user: User): string {
  return `apiVersion: v1
kind: Config
current-context: bench
clusters: [{name: bench, cluster: {server: "https://127.0.0.1:${PORT}", insecure-skip-tls-verify: true}}]
users: [{name: ${user}, user: {token: token-of-${user}}}]
contexts: [{name: bench, context: {cluster: bench, user: ${user}}}]
`;
}
