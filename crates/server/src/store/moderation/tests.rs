//! On a real database.

use super::*;
use crate::store::tests::fresh;
use crate::store::{Store, account, character};

async fn peopled() -> (tempfile::TempDir, Store) {
    let (folder, store) = fresh().await;
    store
        .write(|tx| {
            Box::pin(async move {
                for (n, name) in [(1, "Lovelace"), (2, "Babbage")] {
                    let name = pangea_world::name::check(name).expect("a name");
                    account::create(tx, AccountId([n; 16]), &name, "hash").await?;
                    let (id, account) = (CharacterId([n; 16]), AccountId([n; 16]));
                    let new = character::New { id, account, world: "wilds".into(), name, faction: None };
                    character::create(tx, &new, 8).await?;
                }
                Ok(())
            })
        })
        .await
        .expect("written");
    (folder, store)
}

#[tokio::test]
async fn a_reporter_has_so_many_in_an_hour() {
    let (_folder, store) = peopled().await;
    let (one, other) = (CharacterId([1; 16]), CharacterId([2; 16]));
    let report = async |n: i64| {
        let done = store.write(move |tx| {
            Box::pin(async move { super::report(tx, one, other, &format!("the {n}th")).await })
        });
        done.await.map_err(|refusal| refusal.code)
    };
    for n in 1..=REPORTS_PER_HOUR {
        report(n).await.expect("noted");
    }
    assert_eq!(report(11).await, Err(Code::TooManyRequests));
    let mut reader = store.reader().await.expect("a reader");
    let all = reports(&mut reader, i64::MAX).await.expect("read");
    assert_eq!((all.len(), all[0].text.as_str(), all[0].target.1.as_str()), (10, "the 10th", "Babbage"));
    assert_eq!(reports(&mut reader, all[8].n).await.expect("read").len(), 1);
}

#[tokio::test]
async fn what_is_said_of_an_account_is_read_of_its_characters() {
    let (_folder, store) = peopled().await;
    store
        .write(|tx| {
            Box::pin(async move {
                mute(tx, AccountId([1; 16]), 77).await?;
                set_level(tx, AccountId([1; 16]), 2).await?;
                ban_address(tx, "203.0.113.0/24", now_ms() + 60_000, "a test").await?;
                ban_address(tx, "203.0.113.0/24", now_ms() + 90_000, "longer").await?;
                ban_address(tx, "198.51.100.7/32", 0, "lifted").await
            })
        })
        .await
        .expect("written");
    let mut reader = store.reader().await.expect("a reader");
    let known = of_character(&mut reader, CharacterId([1; 16])).await.expect("read");
    assert_eq!((known.level, known.muted_until, known.address.as_str()), (2, 77, ""));
    let bans = address_bans(&mut reader).await.expect("read");
    assert_eq!(bans.iter().map(|ban| ban.block.as_str()).collect::<Vec<_>>(), ["203.0.113.0/24"]);
    assert!(of_character(&mut reader, CharacterId([9; 16])).await.is_err());
}
