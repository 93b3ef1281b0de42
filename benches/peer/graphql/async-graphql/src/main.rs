//! Posts with their users: `async-graphql-peer PORT SERVICE_PORT`.

use std::{collections::HashMap, env, time::Duration};

use async_graphql::{
    ComplexObject, Context, EmptyMutation, EmptySubscription, Object, Result, Schema, SimpleObject,
    dataloader::{DataLoader, Loader},
};
use async_graphql_axum::GraphQL;
use axum::{Router, routing::post_service};
use serde::Deserialize;
use tokio::net::TcpListener;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

#[derive(SimpleObject, Deserialize)]
#[graphql(complex)]
struct Post {
    id: u64,
    title: String,
    #[serde(rename = "userId")]
    user_id: u64,
}

#[derive(SimpleObject, Deserialize, Clone)]
struct User {
    id: u64,
    name: String,
    email: String,
}

#[ComplexObject]
impl Post {
    async fn user(&self, ctx: &Context<'_>) -> Result<Option<User>> {
        Ok(ctx.data::<DataLoader<Service>>()?.load_one(self.user_id).await?)
    }
}

#[derive(Clone)]
struct Service {
    client: reqwest::Client,
    base: String,
}

impl Loader<u64> for Service {
    type Value = User;
    type Error = async_graphql::Error;

    async fn load(&self, ids: &[u64]) -> Result<HashMap<u64, User>> {
        let mut ids: Vec<_> = ids.iter().map(u64::to_string).collect();
        ids.sort();
        let url = format!("{}/users?ids={}", self.base, ids.join(","));
        let users: Vec<User> = self.client.get(url).send().await?.json().await?;
        Ok(users.into_iter().map(|user| (user.id, user)).collect())
    }
}

struct Query;

#[Object]
impl Query {
    async fn posts(&self, ctx: &Context<'_>) -> Result<Vec<Post>> {
        let service = ctx.data::<Service>()?;
        Ok(service.client.get(format!("{}/posts", service.base)).send().await?.json().await?)
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let ports: Vec<u16> = env::args().skip(1).map(|port| port.parse().unwrap()).collect();
    let service = Service { client: reqwest::Client::new(), base: format!("http://127.0.0.1:{}", ports[1]) };
    // No waiting for more: whatever is asked for in one turn is one batch.
    let loader = DataLoader::new(service.clone(), tokio::spawn).delay(Duration::ZERO);
    let schema = Schema::build(Query, EmptyMutation, EmptySubscription).data(service).data(loader).finish();
    let app = Router::new().route("/graphql", post_service(GraphQL::new(schema)));
    let listener = TcpListener::bind(("127.0.0.1", ports[0])).await.unwrap();
    axum::serve(listener, app).await.unwrap();
}
