//! How a program asks for a password, in the language of its machine.

use crate::graph::Become;

/// What the password prompt is set to, so that it can be told from other output.
pub const PROMPT: &str = "cfg-become-password:";

/// The word for a password in the languages su is translated to: it asks in that of the target.
const PASSWORD_WORDS: &[&str] = &[
    "password",
    "passwort",
    "passwd",
    "mot de passe",
    "contraseña",
    "contrasenya",
    "contrasinal",
    "senha",
    "palavra-passe",
    "parola",
    "parolă",
    "wachtwoord",
    "adgangskode",
    "lösenord",
    "passord",
    "salasana",
    "parool",
    "hasło",
    "heslo",
    "jelszó",
    "geslo",
    "lozinka",
    "zaporka",
    "slaptažodis",
    "pasahitza",
    "sandi",
    "mật khẩu",
    "şifre",
    "parolası",
    "пароль",
    "парола",
    "лозинка",
    "κωδικός",
    "συνθηματικό",
    "סיסמה",
    "รหัสผ่าน",
    "पासवर्ड",
    "パスワード",
    "암호",
    "密码",
    "密碼",
    "口令",
];

/// How a password is asked for, and what to answer once.
pub struct Questions {
    words: Vec<String>,
    password: Option<String>,
}

impl Questions {
    /// Those of a way to become another user.
    pub fn of(wanted: &Become) -> Self {
        let words: Vec<String> = match &*wanted.prompts {
            [] => PASSWORD_WORDS.iter().map(|word| (*word).to_owned()).collect(),
            named => named.to_vec(),
        };
        Self { words: words.iter().map(|word| word.to_lowercase()).collect(), password: wanted.password.clone() }
    }

    /// The password, where this text asks for it: its last line has one of the words and ends in a colon, which may be wide.
    pub fn answer(&mut self, text: &str) -> Option<String> {
        let line = text.trim_end().lines().last().unwrap_or_default().to_lowercase();
        let asks = line.ends_with([':', '\u{ff1a}']) && self.words.iter().any(|word| line.contains(&**word));
        if asks || text.contains(PROMPT) { self.password.take() } else { None }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::graph::BecomeMethod;

    #[test]
    fn a_password_is_asked_for_in_the_language_of_the_target() {
        let table: &[(&[&str], &str, bool)] = &[
            (&[], "Password: ", true),
            (&[], "Passwort: ", true),
            (&[], "Mot de passe\u{a0}: ", true),
            (&[], "パスワード: ", true),
            (&[], "密码：", true),
            (&[], "[sudo] cfg-become-password:", true),
            (&[], "You are watched\nPassword for web: ", true),
            (&[], "Warning: your password will expire in 3 days\n", false),
            (&[], "su: Authentication failure\n", false),
            (&["Geheimwort"], "Geheimwort: ", true),
            (&["Geheimwort"], "Password: ", false),
        ];
        for (words, text, asks) in table {
            let prompts = words.iter().map(|word| (*word).to_owned()).collect();
            let (user, method) = ("root".to_owned(), BecomeMethod::Su);
            let password = Some("secret".to_owned());
            let wanted = Become { user, method, password, flags: None, exe: None, chdir: None, prompts };
            let mut questions = Questions::of(&wanted);
            assert_eq!(questions.answer(text).is_some(), *asks, "{text}");
            assert_eq!(questions.answer(text), None);
        }
    }
}
