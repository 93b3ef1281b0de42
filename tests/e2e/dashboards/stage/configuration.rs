//! What the gateway is told.

pub const LISTENERS: &str = r#"
- { name: public, address: "@listener@" }
- { name: secure, address: "@secure@", tls: { certificates: [{ certificate: "@dir@/a.pem", key: "@dir@/a.key" }] } }
- { name: balanced, address: "@balanced@", proxy_protocol: { from: [127.0.0.1/32] } }
- { name: narrow, address: "@narrow@", max_connections: 1 }
"#;

pub const TRAFFIC: &str = r#"
api_versions:
  versions: { v1: { deprecated: 2020-01-01, sunset: 2199-01-01 }, v2: {} }
  default: v2
  sources: [path, header]
  consumer: header:X-Client-Id
mappings:
  older:
    from: v1
    to: v2
    lossy: true
    request: [{ rename: { name: fullName } }]
    response: [{ rename: { fullName: name } }]
upstreams:
  steady: { backends: ['@steady@', '@second@'], health_check: { interval: 200ms } }
  named: { backends: ['@named@'], dns: { refresh: 500ms } }
  sealed: { backends: ['@sealed@'], protocol: http2, tls: { sni: sealed.test, ca: '@dir@/ca.pem' }, keepalive: { idle_timeout: 1s } }
  calls: { backends: ['@calls@'], protocol: http2 }
  flaky:
    backends: ['@steady@', '@failing@']
    retry: { attempts: 3, on: [connect, reset, gateway_error] }
    ejection: { consecutive_failures: 2, period: 400ms }
  gone:
    backends: ['@nobody@', '@nowhere@']
    retry: { attempts: 2, budget: 0, min_per_second: 0 }
    circuit_breaker: { min_requests: 4, window: 3s, open_for: 300ms }
  late: { backends: ['@slow@'], timeouts: { first_byte: 20ms, read: 20ms }, retry: { attempts: 1 }, ejection: { consecutive_failures: 0 } }
  small: { backends: ['@slow@'], concurrency: { limit: 1, queue: 1, queue_timeout: 200ms } }
  tunnels: { backends: ['@tunnels@'] }
  issuer: { backends: ['@issuer@'] }
graphql: { schema: schema.graphql, limits: { depth: 4 } }
auth:
  providers:
    staff: { jwt: { keys: { jwks: { upstream: issuer, path: /keys, refresh: 1s, cooldown: 100ms } } } }
rate_limits:
  hourly: { rate: 40/m, burst: 4, by: 'header:X-Tenant' }
  together: { rate: 1000/s, by: address, shared: true }
routes:
  - { name: plain, match: { path: '/plain/**' }, upstream: steady }
  - name: kept
    match: { path: '/kept/**' }
    upstream: steady
    cache: { compress: { above: 100B }, bypass: { query: { fresh: { present: true } } } }
  - { name: named, match: { path: /named }, upstream: named }
  - { name: sealed, match: { path: /sealed }, upstream: sealed }
  - { name: calls, match: { path: '/story.Echo/**' }, upstream: calls }
  - { name: flaky, match: { path: /flaky }, upstream: flaky }
  - { name: gone, match: { path: /gone }, upstream: gone }
  - { name: late, match: { path: /late }, upstream: late }
  - { name: small, match: { path: /small }, upstream: small }
  - { name: tunnel, match: { path: /chat }, upstream: tunnels }
  - { name: guarded, match: { path: /guarded }, upstream: steady, auth: { with: staff, forward: { X-User-Id: subject } } }
  - { name: limited, match: { path: /limited }, upstream: steady, rate_limit: [hourly, together] }
  - { name: graphql, match: { path: /graphql }, graphql: {} }
  - name: people
    match: { path: '/api/people/{id}' }
    upstream: steady
    versions: { v1: { map: older }, v2: {} }
"#;

/// One graph over two of the routes.
pub const SCHEMA: &str = r#"
schema @source(name: "people", route: "/plain") @source(name: "nobody", route: "/gone") {
  query: Query
  mutation: Mutation
}
type Query {
  person(id: ID!): Person @rest(source: "people", get: "/people/{args.id}")
  lost: Person @rest(source: "nobody", get: "")
}
type Mutation {
  rename(id: ID!, name: String!): Person
    @rest(source: "people", put: "/people/{args.id}", body: { fullName: "{args.name}" })
}
type Person {
  fullName: String
  friend: Person @rest(source: "people", get: "/people/{parent.fullName}")
}
"#;
