// SPDX-License-Identifier: Apache-2.0

package s3server

import (
	"bytes"
	"context"
	"encoding/xml"
	"io"
	"strings"

	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
	"github.com/valyala/fasthttp"
	"github.com/versity/versitygw/s3err"
	"github.com/versity/versitygw/s3response"
)

// maxDeleteKeys is S3's limit for the keys of one DeleteObjects.
const maxDeleteKeys = 1000

// deletion is what a DeleteObjects asks for.
type deletion struct {
	keys  []string
	quiet bool // the answer is to name only what was refused
}

var (
	errMalformed   = s3err.GetAPIError(s3err.ErrMalformedXML)
	errConditional = s3err.APIError{Code: "NotImplemented", Description: "Conditions on what is deleted are not understood here.", HTTPStatusCode: 501}
)

// parseDeletion reads the document of a DeleteObjects:
//
//	<Delete> <Quiet>b</>? (<Object> <Key>s</> <VersionId>s</>? </>){1,1000} </>
//
// versitygw reads it too, and takes whatever looks like it: more keys, other elements, a document type. What is deleted is gone, so
// here it has to be exactly that. A condition (ETag, LastModifiedTime, Size), which versitygw would pass over, is refused.
func parseDeletion(text []byte) (deletion, error) {
	var d deletion
	x := xml.NewDecoder(bytes.NewReader(text))
	if name, err := nextElement(x, ""); err != nil || name != "Delete" {
		return d, errMalformed
	}
	quiet := false
	for {
		name, err := nextElement(x, "Delete")
		switch {
		case err != nil:
			return d, err
		case name == "" && len(d.keys) > 0:
			return d, onlyEnd(x)
		case name == "Quiet" && !quiet:
			quiet = true
			value, err := textOf(x, "Quiet", 16)
			if err != nil {
				return d, err
			}
			switch strings.TrimSpace(value) {
			case "true", "1":
				d.quiet = true
			case "false", "0":
			default:
				return d, errMalformed
			}
		case name == "Object" && len(d.keys) < maxDeleteKeys:
			key, err := objectOf(x)
			if err != nil {
				return d, err
			}
			d.keys = append(d.keys, key)
		default:
			return d, errMalformed
		}
	}
}

// objectOf reads an Object whose start was read.
func objectOf(x *xml.Decoder) (string, error) {
	key, versions := "", 0
	for {
		name, err := nextElement(x, "Object")
		switch {
		case err != nil:
			return "", err
		case name == "" && key != "":
			return key, nil
		case name == "Key" && key == "":
			if key, err = textOf(x, "Key", maxKeyBytes); err != nil {
				return "", err
			}
			if key == "" {
				return "", errMalformed
			}
		case name == "VersionId" && versions == 0:
			versions++
			if _, err := textOf(x, "VersionId", maxKeyBytes); err != nil {
				return "", err
			}
		case name == "ETag", name == "LastModifiedTime", name == "Size":
			return "", errConditional
		default:
			return "", errMalformed
		}
	}
}

// nextElement returns the name of the next element that begins within the one at hand, or "" when that ends.
func nextElement(x *xml.Decoder, within string) (string, error) {
	for {
		token, err := x.Token()
		if err != nil {
			return "", errMalformed
		}
		switch t := token.(type) {
		case xml.StartElement:
			return t.Name.Local, nil
		case xml.EndElement:
			if within == "" || t.Name.Local != within {
				return "", errMalformed
			}
			return "", nil
		case xml.CharData:
			if len(bytes.TrimSpace(t)) > 0 {
				return "", errMalformed
			}
		case xml.Directive: // a document type, which may define entities
			return "", errMalformed
		}
	}
}

// textOf reads the text of an element that holds nothing else, of at most so many bytes.
func textOf(x *xml.Decoder, name string, most int) (string, error) {
	var b strings.Builder
	for {
		token, err := x.Token()
		if err != nil {
			return "", errMalformed
		}
		switch t := token.(type) {
		case xml.CharData:
			if b.Len()+len(t) > most {
				return "", s3err.GetKeyTooLongErr(int64(b.Len()+len(t)), int64(most))
			}
			b.Write(t)
		case xml.EndElement:
			return b.String(), nil
		case xml.Comment:
		default:
			return "", errMalformed
		}
	}
}

// onlyEnd makes sure that nothing follows the document.
func onlyEnd(x *xml.Decoder) error {
	for {
		token, err := x.Token()
		if err == io.EOF {
			return nil
		}
		space, ok := token.(xml.CharData)
		if _, comment := token.(xml.Comment); err != nil || !comment && (!ok || len(bytes.TrimSpace(space)) > 0) {
			return errMalformed
		}
	}
}

// deletionKey is where checkDeletion leaves what it has read for DeleteObjects.
type deletionKey struct{}

// checkDeletion looks at the document of a DeleteObjects before versitygw does. It is called for every request whose
// signature and checksum are right; others pass.
func (g *gateway) checkDeletion(ctx context.Context) error {
	r, ok := ctx.(*fasthttp.RequestCtx)
	if !ok || !r.IsPost() || !r.QueryArgs().Has("delete") {
		return nil
	}
	if err := g.notPutOnly(ctx); err != nil {
		return err
	}
	d, err := parseDeletion(r.Request.Body())
	if err != nil {
		return err
	}
	r.SetUserValue(deletionKey{}, d)
	return nil
}

// DeleteObjects deletes what versitygw has found that the caller may delete, in the order of the request.
func (g *gateway) DeleteObjects(ctx context.Context, in *s3.DeleteObjectsInput) (s3response.DeleteResult, error) {
	var res s3response.DeleteResult
	d, checked := ctx.Value(deletionKey{}).(deletion)
	if !checked || in.Delete == nil || len(in.Delete.Objects) > len(d.keys) {
		return res, errMalformed // versitygw has changed: nothing is deleted that parseDeletion has not seen
	}
	if err := g.notPutOnly(ctx); err != nil {
		return res, err
	}
	dir, err := g.bucketDir(in.Bucket)
	if err != nil {
		return res, err
	}
	files := remover{root: dir}
	for _, o := range in.Delete.Objects {
		if err := g.deleteOne(ctx, in.Bucket, o, &files); err != nil {
			res.Error = append(res.Error, s3err.ObjectDeleteError(o.Key, o.VersionId, err))
		} else if !d.quiet {
			res.Deleted = append(res.Deleted, types.DeletedObject{Key: o.Key, VersionId: o.VersionId})
		}
	}
	if err := files.leave(); err != nil {
		g.log.Warn("an empty folder is left", "err", err)
	}
	return res, nil
}

// deleteOne deletes one of many. Those without a version, which is all of them in practice, are removed folder by folder.
func (g *gateway) deleteOne(ctx context.Context, bucket *string, o types.ObjectIdentifier, files *remover) error {
	if str(o.VersionId) != "" {
		_, err := g.DeleteObject(ctx, &s3.DeleteObjectInput{Bucket: bucket, Key: o.Key, VersionId: o.VersionId})
		return err
	}
	key, err := cleanKey(str(o.Key))
	if err != nil {
		return nil // cannot be stored, so it is not there
	}
	_, err = files.remove(key)
	return g.fail("delete", key, err)
}

// claimsPutOnly tells whether a request says it is of an account that may only store whole objects. It is asked before the
// signature is checked, to refuse at once what such an account may not do anyway.
func (g *gateway) claimsPutOnly(r *fasthttp.RequestCtx) bool {
	credential, token := string(r.QueryArgs().Peek("X-Amz-Credential")), string(r.QueryArgs().Peek("X-Amz-Security-Token"))
	if authorization := string(r.Request.Header.Peek("Authorization")); authorization != "" {
		_, credential, _ = strings.Cut(authorization, "Credential=")
		token = string(r.Request.Header.Peek("X-Amz-Security-Token"))
	}
	access, _, _ := strings.Cut(credential, "/")
	if access == "" || access == g.owner {
		return false
	}
	a, err := g.users.lookup(access, token)
	return err == nil && a.PutOnly != nil
}
