//! Who answers the authenticator's questions.

use countersign::{
    authenticator::{Account, Answer, Purpose, Question},
    pin_uv::Permissions,
};

/// Somebody who answers.
pub trait Person {
    /// Answers one question. It may take its time; an answer after [`Question::deadline`] counts as none.
    fn answer(&mut self, question: &Question) -> Answer;
}

/// What a question asks, in one sentence, without the accounts that can be chosen.
pub fn describe(purpose: &Purpose) -> String {
    match purpose {
        Purpose::Register { rp, user, identified: false } => {
            format!("Make a passkey for {} as {}?", shown(rp.id.as_str()), user_name(user))
        }
        Purpose::Register { rp, user, identified: true } => {
            let (rp, user) = (shown(rp.id.as_str()), user_name(user));
            format!("Make a passkey for {rp} as {user}, and let {rp} know which authenticator this is?")
        }
        Purpose::AlreadyRegistered { rp } => {
            format!("{} asks again for a passkey that you have already. Tell it so?", shown(rp.id.as_str()))
        }
        Purpose::SignIn { rp_id, accounts, choose } => match accounts.as_slice() {
            [account, ..] if accounts.len() == 1 || !choose => {
                format!("Sign in to {} as {}?", shown(rp_id.as_str()), account_name(account))
            }
            _ => format!("Sign in to {}: which account?", shown(rp_id.as_str())),
        },
        Purpose::NotRegistered { rp_id } => {
            format!("There is no passkey for {} here. Tell it so?", shown(rp_id.as_str()))
        }
        Purpose::Select => "Use this authenticator?".to_owned(),
        Purpose::Authorize { permissions, rp_id } => {
            let whose =
                rp_id.as_ref().map_or(String::new(), |rp_id| format!(" for {}", shown(rp_id.as_str())));
            format!("Let the computer {}{whose} on your behalf?", permitted(*permissions))
        }
        Purpose::U2f { registers: true, .. } => {
            "Register with a site that did not say its name (U2F)?".to_owned()
        }
        Purpose::U2f { registers: false, .. } => {
            "Sign in to a site that did not say its name (U2F)?".to_owned()
        }
        Purpose::Reset { .. } => "Delete EVERY passkey and the PIN of this authenticator?".to_owned(),
        Purpose::Unlock => "Unlock the passkeys?".to_owned(),
    }
}

/// What a token is good for, in words.
fn permitted(permissions: Permissions) -> String {
    let words = [
        (Permissions::MAKE_CREDENTIAL, "make passkeys"),
        (Permissions::GET_ASSERTION, "sign in"),
        (Permissions::CREDENTIAL_MANAGEMENT, "list, change and delete passkeys"),
        (Permissions::BIO_ENROLLMENT, "manage fingerprints"),
        (Permissions::LARGE_BLOB_WRITE, "store data with passkeys"),
        (Permissions::AUTHENTICATOR_CONFIG, "change how this authenticator works"),
        (Permissions::PERSISTENT_READ_ONLY, "list passkeys, until the PIN is changed,"),
    ];
    let granted: Vec<_> =
        words.iter().filter(|(one, _)| permissions.contain(*one)).map(|(_, word)| *word).collect();
    if granted.is_empty() { "know that you are there".to_owned() } else { granted.join(", ") }
}

/// How an account is shown: its name, and the display name where that says more.
pub(crate) fn account_name(account: &Account) -> String {
    user_name(&account.user)
}

fn user_name(user: &countersign::webauthn::UserEntity) -> String {
    let (name, display_name) = (user.name.as_deref(), user.display_name.as_deref());
    match (name.filter(|name| !name.is_empty()), display_name.filter(|name| !name.is_empty())) {
        (Some(name), Some(display)) if name != display => format!("{} ({})", shown(name), shown(display)),
        (Some(name), _) | (None, Some(name)) => shown(name),
        (None, None) => "an account without a name".to_owned(),
    }
}

/// A relying party's text as a terminal may show it: without control characters and direction marks, which could draw
/// something else.
pub(crate) fn shown(text: &str) -> String {
    let harmless = |character: char| {
        !character.is_control()
            && !matches!(character, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}')
    };
    text.chars().map(|character| if harmless(character) { character } else { '\u{fffd}' }).collect()
}
