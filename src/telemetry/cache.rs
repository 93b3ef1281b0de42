//! The words of the cache, which metrics, logs and answers share.

use super::label::label;

label! {
    /// Where a response is kept.
    Tier {
        /// In this process.
        Memory = "memory",
        /// In Redis, shared by all nodes.
        Redis = "redis",
    }
}

label! {
    /// What the cache did for a request.
    CacheResult {
        /// A fresh response was served.
        Hit = "hit",
        /// A stale response was served.
        Stale = "stale",
        /// A stale response was served after the upstream had confirmed it.
        Revalidated = "revalidated",
        /// There was none.
        Miss = "miss",
        /// There was a stale one, and the upstream sent another.
        Expired = "expired",
        /// The route has a cache, the request leaves it alone.
        Bypass = "bypass",
        /// The response may not be stored.
        Uncacheable = "uncacheable",
    }
}

label! {
    /// What became of a response on its way into a tier.
    WriteResult {
        /// It is there.
        Stored = "stored",
        /// It is larger than the tier takes.
        TooLarge = "too_large",
        /// It would be of no use by the time it is there.
        Useless = "useless",
        /// Too much was on its way already.
        QueueFull = "queue_full",
        /// The tier did not take it; see the errors.
        Failed = "failed",
    }
}

label! {
    /// Why a response left a tier.
    EvictionReason {
        /// Room was needed.
        Capacity = "capacity",
        /// It was of no use any more.
        Expired = "expired",
        /// It was invalidated.
        Invalidated = "invalidated",
    }
}

label! {
    /// What a purge named.
    PurgeKind {
        /// One URL.
        Url = "url",
        /// A pattern of paths.
        Pattern = "pattern",
        /// A tag.
        Tag = "tag",
        /// All of a route.
        Route = "route",
        /// Everything.
        All = "all",
    }
}

label! {
    /// Why a stale response was served.
    StaleReason {
        /// It is being refreshed (RFC 5861 section 3).
        WhileRevalidate = "while_revalidate",
        /// The upstream failed (RFC 5861 section 4).
        IfError = "if_error",
        /// The client accepts it (`max-stale`, RFC 9111 section 5.2.1.2).
        MaxStale = "max_stale",
    }
}

label! {
    /// How a revalidation ended.
    RevalidationResult {
        /// The stored response is still right (304).
        Confirmed = "confirmed",
        /// Another response came.
        Replaced = "replaced",
        /// None came.
        Failed = "failed",
    }
}

label! {
    /// What was asked of the shared tier.
    BackendOperation {
        /// A connection.
        Connect = "connect",
        /// An entry.
        Get = "get",
        /// To keep an entry.
        Set = "set",
        /// To drop an entry.
        Delete = "delete",
        /// The leave to fetch, or to give it back.
        Lease = "lease",
        /// To tell other nodes of an invalidation.
        Publish = "publish",
        /// The invalidations of other nodes.
        Follow = "follow",
        /// To list this node, or to name those that are.
        Nodes = "nodes",
    }
}

label! {
    /// Why the shared tier did not do what it was asked.
    BackendFailure {
        /// There is no connection at the moment.
        Disconnected = "disconnected",
        /// It failed before and is left alone for a while.
        BreakerOpen = "breaker_open",
        /// No answer in time.
        Timeout = "timeout",
        /// The connection broke.
        Io = "io",
        /// It takes no writes: a replica (READONLY) or too few of them (NOREPLICAS, MISCONF).
        ReadOnly = "read_only",
        /// Its memory is full (OOM).
        OutOfMemory = "out_of_memory",
        /// It is still reading its data (LOADING), or busy with a script (BUSY).
        Loading = "loading",
        /// The key is on another node of the cluster (MOVED, ASK, TRYAGAIN, CROSSSLOT).
        Moved = "moved",
        /// The cluster or the master is down (CLUSTERDOWN, MASTERDOWN), or unknown to the sentinels.
        Down = "down",
        /// The credentials are wrong or not enough (NOAUTH, WRONGPASS, NOPERM).
        Denied = "denied",
        /// The key holds something else (WRONGTYPE), or the answer is none of those expected.
        WrongType = "wrong_type",
        /// Another refusal.
        Other = "other",
    }
}

label! {
    /// Why a stored value was not taken for a response.
    Corruption {
        /// It does not begin like one of ours.
        Foreign = "foreign",
        /// It has a version or flags that this build does not know.
        Version = "version",
        /// It is too short for what it says it holds.
        Truncated = "truncated",
        /// It is not what was written.
        Checksum = "checksum",
        /// It was stored under another key.
        OtherKey = "other_key",
        /// It is, or would become, larger than allowed.
        TooLarge = "too_large",
        /// It is encrypted with a key we do not have, or not encrypted at all though ours are.
        KeyUnknown = "key_unknown",
        /// It cannot be decrypted with the key it names.
        Decrypt = "decrypt",
        /// It cannot be decompressed to the size it says.
        Decompress = "decompress",
        /// Its lengths or its status contradict each other.
        Malformed = "malformed",
    }
}

impl std::error::Error for Corruption {}
