// SPDX-License-Identifier: Apache-2.0

package deploy

import (
	"archive/zip"
	"bytes"
	"context"
	"crypto/sha256"
	"debug/elf"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
)

// Archive is the zip with the functions' bootstrap for one architecture.
type Archive struct {
	Path, Architecture string
	Hash               string // SHA-256, hex
	body               []byte
}

// ArchiveName is the file name of the functions' zip for a LambdaArchitecture (arm64 or x86_64).
func ArchiveName(architecture string) string { return "s3cam-lambda-" + architecture + ".zip" }

// maxArchive is Lambda's bound on zips that are given directly; ours has 4 MB.
const maxArchive = 50 << 20

// ReadArchive reads a zip and checks that there is a program for the architecture in it.
func ReadArchive(path, architecture string) (*Archive, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	body, err := io.ReadAll(io.LimitReader(f, maxArchive+1))
	if err != nil {
		return nil, err
	}
	if len(body) > maxArchive {
		return nil, fmt.Errorf("%s has more than %d MiB", path, maxArchive>>20)
	}
	if err := checkArchive(body, architecture); err != nil {
		return nil, settings("build it with scripts/lambda-build.sh, or take it from the release", "%s: %v", path, err)
	}
	sum := sha256.Sum256(body)
	return &Archive{Path: path, Architecture: architecture, Hash: hex.EncodeToString(sum[:]), body: body}, nil
}

func checkArchive(body []byte, architecture string) error {
	z, err := zip.NewReader(bytes.NewReader(body), int64(len(body)))
	if err != nil {
		return err
	}
	f, err := z.Open("bootstrap")
	if err != nil {
		return errors.New("there is no file bootstrap in it")
	}
	defer f.Close()
	if info, err := f.Stat(); err != nil || info.Mode().Perm()&0o111 == 0 {
		return errors.New("its bootstrap is not executable")
	}
	head := make([]byte, 64)
	if _, err := io.ReadFull(f, head); err != nil {
		return fmt.Errorf("bootstrap: %w", err)
	}
	if string(head[:4]) != elf.ELFMAG {
		return errors.New("its bootstrap is no Linux program")
	}
	want := map[string]elf.Machine{"arm64": elf.EM_AARCH64, "x86_64": elf.EM_X86_64}[architecture]
	if got := elf.Machine(uint16(head[18]) | uint16(head[19])<<8); got != want {
		return fmt.Errorf("its bootstrap is for %v, not for %s", got, architecture)
	}
	return nil
}

// AssetsBucket is the name of the bucket for functions and templates where none is given.
func AssetsBucket(account, region string) string { return "s3cam-assets-" + account + "-" + region }

// assetsBucket looks for the bucket and tells whether it exists; a bucket of somebody else is an error.
func (d *Deployer) assetsBucket(ctx context.Context, name, account string) (exists bool, err error) {
	_, err = d.cfg.S3.HeadBucket(ctx, &s3.HeadBucketInput{Bucket: &name, ExpectedBucketOwner: &account})
	switch status := statusOf(err); {
	case err == nil:
		return true, nil
	case status == 404:
		return false, nil
	case status == 403:
		return false, fail(ErrTaken, "choose another bucket with -p AssetsBucket=NAME, or get the permission s3:ListBucket on this one",
			"the assets bucket %s exists, but refuses account %s: it belongs to somebody else, or s3:ListBucket is denied", name, account)
	case status == 301 || status == 400:
		return false, fail(ErrTaken, "choose another with -p AssetsBucket=NAME: functions and their bucket must be in one region",
			"the assets bucket %s is not in %s", name, d.cfg.Region)
	}
	return false, Explain(err)
}

// createAssetsBucket makes the bucket: private and encrypted.
func (d *Deployer) createAssetsBucket(ctx context.Context, name, account string) error {
	in := &s3.CreateBucketInput{Bucket: &name}
	if d.cfg.Region != "us-east-1" {
		in.CreateBucketConfiguration = &types.CreateBucketConfiguration{LocationConstraint: types.BucketLocationConstraint(d.cfg.Region)}
	}
	_, err := d.cfg.S3.CreateBucket(ctx, in)
	var ours *types.BucketAlreadyOwnedByYou
	var taken *types.BucketAlreadyExists
	switch {
	case errors.As(err, &taken):
		return fail(ErrTaken, "choose another bucket with -p AssetsBucket=NAME", "the name of the assets bucket, %s, is taken by somebody else", name)
	case err != nil && !errors.As(err, &ours):
		return Explain(err)
	}
	_, err = d.cfg.S3.PutPublicAccessBlock(ctx, &s3.PutPublicAccessBlockInput{Bucket: &name, ExpectedBucketOwner: &account,
		PublicAccessBlockConfiguration: &types.PublicAccessBlockConfiguration{BlockPublicAcls: aws.Bool(true), BlockPublicPolicy: aws.Bool(true),
			IgnorePublicAcls: aws.Bool(true), RestrictPublicBuckets: aws.Bool(true)}})
	if err != nil {
		return Explain(err)
	}
	_, err = d.cfg.S3.PutBucketEncryption(ctx, &s3.PutBucketEncryptionInput{Bucket: &name, ExpectedBucketOwner: &account,
		ServerSideEncryptionConfiguration: &types.ServerSideEncryptionConfiguration{Rules: []types.ServerSideEncryptionRule{
			{ApplyServerSideEncryptionByDefault: &types.ServerSideEncryptionByDefault{SSEAlgorithm: types.ServerSideEncryptionAes256}}}}})
	if err != nil {
		return Explain(err)
	}
	d.say(Step, "created the assets bucket %s (private, encrypted)", name)
	return nil
}

// upload stores an object under a key that its content decides, unless it is there already.
func (d *Deployer) upload(ctx context.Context, bucket, account, key string, body []byte, what string) error {
	head, err := d.cfg.S3.HeadObject(ctx, &s3.HeadObjectInput{Bucket: &bucket, Key: &key, ExpectedBucketOwner: &account})
	switch {
	case err == nil && aws.ToInt64(head.ContentLength) == int64(len(body)):
		d.say(Step, "%s is in the assets bucket already", what)
		return nil
	case err != nil && statusOf(err) != 404 && statusOf(err) != 403: // without s3:ListBucket S3 says 403 for what is not there
		return Explain(err)
	}
	sum := sha256.Sum256(body)
	_, err = d.cfg.S3.PutObject(ctx, &s3.PutObjectInput{Bucket: &bucket, Key: &key, Body: bytes.NewReader(body), ExpectedBucketOwner: &account,
		Metadata: map[string]string{"sha256": hex.EncodeToString(sum[:])}})
	if err != nil {
		return Explain(err)
	}
	d.say(Step, "uploaded %s (%d KB)", what, (len(body)+999)/1000)
	return nil
}
