//! Feeds and reports of the sandbox's Creators API.

use amazon_sandbox::Sandbox;
use serde_json::{Value, json};

use crate::{client::generous_sandbox, creators::Client};

struct FileKind {
    list: &'static str,
    get: &'static str,
    files: &'static str,
    name: &'static str,
    kind: &'static str,
    begins: &'static [u8],
}

const KINDS: [FileKind; 2] = [
    FileKind {
        list: "/catalog/v1/listFeeds",
        get: "/catalog/v1/getFeed",
        files: "feeds",
        name: "feedName",
        kind: "feedType",
        begins: &[0x1f, 0x8b],
    },
    FileKind {
        list: "/reports/v1/listReports",
        get: "/reports/v1/getReport",
        files: "reports",
        name: "filename",
        kind: "reportType",
        begins: b"date,",
    },
];

impl FileKind {
    /// The files of a marketplace, by an empty request.
    async fn files(&self, client: &Client) -> Vec<Value> {
        let response = client.request(self.list, "{}".to_owned()).send().await.unwrap();
        let body: Value = serde_json::from_slice(&response.bytes().await.unwrap()).unwrap();
        body[self.files].as_array().unwrap().clone()
    }

    async fn link(&self, client: &Client, file: &Value) -> String {
        let fields = json!({ self.name: file[self.name], self.kind: file[self.kind] });
        client.ok(self.get, fields).await["url"].as_str().unwrap().to_owned()
    }
}

async fn german(sandbox: &Sandbox) -> Client {
    Client::of(sandbox, 2, "DE").await
}

#[tokio::test]
async fn listed_files_are_what_lies_behind_their_links() {
    let sandbox = generous_sandbox().await;
    let client = german(&sandbox).await;
    for kind in KINDS {
        let files = kind.files(&client).await;
        assert_eq!(files.len(), 2);
        assert_eq!(kind.files(&client).await, files, "the same each time");
        for file in files {
            let link = kind.link(&client, &file).await;
            assert!(link.starts_with(&sandbox.url()), "{link}");
            let content = client.http.get(link).send().await.unwrap().bytes().await.unwrap();
            assert!(content.starts_with(kind.begins), "{file}");
            assert_eq!(
                (file["size"].as_u64(), file["md5"].as_str().map(str::len)),
                (Some(content.len() as u64), Some(32))
            );
        }
    }
}

#[tokio::test]
async fn a_link_that_was_changed_is_forbidden() {
    let sandbox = generous_sandbox().await;
    let client = german(&sandbox).await;
    for kind in KINDS {
        let file = kind.files(&client).await.remove(0);
        let link = kind.link(&client, &file).await;
        let name = file[kind.name].as_str().unwrap();
        let bare = link.split('?').next().unwrap().to_owned();
        for spoilt in
            [bare, link.replace("expires=1", "expires=2"), link.replace(name, "other.csv"), format!("{link}00")]
        {
            assert_eq!(client.http.get(&spoilt).send().await.unwrap().status(), 403, "{spoilt}");
        }
    }
}

#[tokio::test]
async fn links_lead_to_the_sandbox_also_for_those_who_call_it_by_amazon_s_name() {
    let sandbox = generous_sandbox().await;
    let client = german(&sandbox).await;
    let body = json!({ "filename": "sandbox-de-earnings-2026-05.csv" }).to_string();
    for (host, begins) in [("creatorsapi.amazon", sandbox.url()), ("shop.test:81", "http://shop.test:81/".to_owned())] {
        let reply = crate::creators::read(client.request(KINDS[1].get, body.clone()).header("host", host)).await;
        assert!(reply.body["url"].as_str().unwrap().starts_with(&begins), "{}", reply.body);
    }
}
