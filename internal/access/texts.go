// SPDX-License-Identifier: Apache-2.0

package access

import "fmt"

// texts are the words of the pages in one language.
type texts struct {
	Lang                                                      string
	Login, Logout, Name, Password, Current, New, Repeat       string
	LoggedIn, ToSite, ChangePassword, Changed                 string
	Open, NoPeople                                            string
	Setup, SetupNote, SetupButton, SetupOver                  string
	Wrong, Busy, Wait, BadName, TooShort, TooEasy, NotTheSame string
}

var english = texts{
	Lang: "en", Login: "Log in", Logout: "Log out", Name: "Name", Password: "Password", Current: "Current password", New: "New password", Repeat: "New password again",
	LoggedIn: "You are logged in as", ToSite: "To the cameras", ChangePassword: "Change password", Changed: "The password is changed. Other browsers have been logged out.",
	Open:     "Nobody has to log in on this server.",
	NoPeople: "Nobody can log in yet. Open the setup address that the server printed when it started, or run: s3cam user add NAME --role admin",
	Setup:    "First admin", SetupNote: "Choose a name and a password for the first person, who may do everything.", SetupButton: "Begin",
	SetupOver: "This address is not, or no longer, good. The server prints a new one when it starts and nobody can log in yet.",
	Wrong:     "Name and password do not belong together.", Busy: "Too many people are logging in. Try again shortly.", Wait: "Too many attempts. Try again in %d seconds.",
	BadName: "A name consists of letters a-z, digits, and . _ @ - after the first.", TooShort: "The password needs at least %d characters.",
	TooEasy: "The password is too easy or too long.", NotTheSame: "The two new passwords are not the same.",
}

var chinese = texts{
	Lang: "zh-CN", Login: "登录", Logout: "退出登录", Name: "用户名", Password: "密码", Current: "当前密码", New: "新密码", Repeat: "再次输入新密码",
	LoggedIn: "当前用户：", ToSite: "查看摄像机", ChangePassword: "修改密码", Changed: "密码已修改，其他浏览器已退出登录。",
	Open:     "此服务器无需登录。",
	NoPeople: "尚无可登录的用户。请打开服务器启动时显示的设置地址，或运行：s3cam user add NAME --role admin",
	Setup:    "首位管理员", SetupNote: "请为首位用户设置用户名和密码，该用户拥有全部权限。", SetupButton: "开始",
	SetupOver: "此地址无效或已失效。服务器启动时若尚无用户，会显示新的地址。",
	Wrong:     "用户名或密码不正确。", Busy: "登录人数过多，请稍后再试。", Wait: "尝试次数过多，请在 %d 秒后重试。",
	BadName: "用户名由小写字母、数字组成，首字符之后可用 . _ @ -。", TooShort: "密码至少需要 %d 个字符。",
	TooEasy: "密码过于简单或过长。", NotTheSame: "两次输入的新密码不一致。",
}

// newPassword says what is wrong with a password that was typed twice, or nothing.
func (t *texts) newPassword(name, password, repeat string) string {
	switch {
	case password != repeat:
		return t.NotTheSame
	case len(password) < MinPassword:
		return fmt.Sprintf(t.TooShort, MinPassword)
	case CheckPassword(name, password) != nil:
		return t.TooEasy
	}
	return ""
}
